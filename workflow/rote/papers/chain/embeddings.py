"""Hidden states that predict the tokens of answers: what memories are made of."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from rote.core.job import track
from rote.papers.chain import networks, plan
from rote.papers.chain.documents import distinct_statements
from rote.papers.chain.settings import Settings
from rote.papers.chain.training import build_stack
from rote.papers.chain.worlds import WorldFolder

Arrays = dict[str, np.ndarray]


class AnswerTokens(NamedTuple):
    """Tokens of answers, line after line."""

    features: np.ndarray  # (rows, d) float32: hidden states that predict them
    targets: np.ndarray  # (rows,) int: token ids
    items: np.ndarray  # (rows,) int: number of the line

    def pick(self, rows: np.ndarray) -> "AnswerTokens":
        """Some rows, by mask or number."""
        return AnswerTokens(*(part[rows] for part in self))


class WorldEmbeddings(NamedTuple):
    """The arrays of one stack of networks, as `embed` made them."""

    arrays: Mapping[str, np.ndarray]

    @property
    def parameters(self) -> int:
        """Parameters of one network."""
        return int(self.arrays["parameters"][0])

    def head(self, variant: str, replicate: int) -> np.ndarray:
        """The matrix that reads hidden states, (vocabulary, d)."""
        return self.arrays[f"{variant}/{replicate}/head"]

    def statements(self, variant: str, replicate: int) -> AnswerTokens:
        """Tokens of the values of all distinct statements."""
        return self._tokens(variant, replicate, "statements")

    def probes(self, variant: str, replicate: int) -> AnswerTokens:
        """Tokens of the answers to all questions."""
        return self._tokens(variant, replicate, "probes")

    def _tokens(self, variant: str, replicate: int, part: str) -> AnswerTokens:
        return AnswerTokens(
            features=self.arrays[f"{variant}/{replicate}/{part}"],
            targets=self.arrays[f"{replicate}/{part}/targets"],
            items=self.arrays[f"{replicate}/{part}/items"],
        )


def embed(
    options: Settings, world: WorldFolder, weights: Arrays, width: int, seed: int, device: str
) -> Arrays:
    """Hidden states of every distinct statement, and of every question, under all networks.

    Per network: `<variant>/<replicate>/statements`, `.../probes` (rows, d), and `.../head`
    (vocabulary, d). Per replicate the token that each row predicts and the line that it belongs to.
    Networks of the ladder have no memories, so no statements.

    Args:
        options: config section of the chain.
        world: whose lines are embedded.
        weights: (networks, ...) by name, in the order of `plan.members`.
        width: of the networks; 0 is the user's model.
        seed: of the run; the networks are built from it, then get these weights.
        device: where hidden states are computed.
    """
    stack = build_stack(options, world, width, seed, device)
    on_device = {name: torch.tensor(value, device=device) for name, value in weights.items()}
    head = stack.head(on_device)
    lines = {}
    arrays: Arrays = {"parameters": np.array([stack.size])}
    for replicate in range(options.world.replicates):
        lines[replicate, "probes"] = world.encode(world.probes(replicate))
        lines[replicate, "statements"] = world.encode(distinct_statements(world.corpus(replicate)))
    for (replicate, part), coded in lines.items():
        rows, answers = np.nonzero(coded.mask > 0)
        arrays[f"{replicate}/{part}/items"] = rows
        arrays[f"{replicate}/{part}/targets"] = coded.targets[rows, answers].astype(np.int64)
    has_memories = width == plan.base_width(options)
    parts = ("statements", "probes") if has_memories else ("probes",)
    members = plan.members(options, world.name, width)
    for number, (variant, replicate) in enumerate(track(members, f"{world.name}: hidden states")):
        for part in parts:
            result = networks.predict(stack, on_device, number, lines[replicate, part])
            arrays[f"{variant}/{replicate}/{part}"] = result.features
        arrays[f"{variant}/{replicate}/head"] = head[number].float().cpu().numpy()
    return arrays
