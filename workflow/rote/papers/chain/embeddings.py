"""Hidden states that predict the tokens of answers: what memories are made of."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from rote.core.job import track
from rote.papers.chain import networks, plan
from rote.papers.chain.documents import distinct_statements
from rote.papers.chain.networks import Arrays, ChainJob
from rote.papers.chain.plan import NetworkMember
from rote.papers.chain.settings import Settings
from rote.papers.chain.training import Trained, build_stack
from rote.papers.chain.worlds import WorldFolder


class AnswerTokens(NamedTuple):
    """Tokens of answers, line after line."""

    features: np.ndarray  # (rows, d) float32: hidden states that predict them
    targets: np.ndarray  # (rows,) int: token ids
    items: np.ndarray  # (rows,) int: number of the line

    def pick(self, rows: np.ndarray) -> "AnswerTokens":
        """Some rows, by mask or number."""
        return AnswerTokens(*(part[rows] for part in self))


class WorldEmbeddings(NamedTuple):
    """The arrays of the networks that have memories, as `embed` made them."""

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
    options: Settings, world: WorldFolder, trained: Mapping[str, Trained], job: ChainJob
) -> Arrays:
    """Hidden states of every distinct statement and every question, at the plateau.

    Per network of the first width: `<variant>/<replicate>/statements`, `.../probes` (rows, d), and
    `.../head` (vocabulary, d). Per replicate the token that each row predicts, and its line.

    Args:
        options: config section of the chain.
        world: whose lines are embedded.
        trained: networks on the unpruned corpora, and on the pruned ones, by "unpruned", "pruned".
        job: seed that the networks are built from, and device.
    """
    arrays: Arrays = {}
    lines = {}
    for replicate in range(options.world.replicates):
        lines[replicate, "probes"] = world.encode(
            world.sampled_probes(replicate, options.memory.facts)
        )
        lines[replicate, "statements"] = world.encode(distinct_statements(world.corpus(replicate)))
    for (replicate, part), coded in lines.items():
        rows, answers = np.nonzero(coded.mask > 0)
        arrays[f"{replicate}/{part}/items"] = rows
        arrays[f"{replicate}/{part}/targets"] = coded.targets[rows, answers].astype(np.int64)
    width, steps = plan.base_width(options), plan.plateau_steps(options)
    variants = {"unpruned": [plan.UNPRUNED.name]}
    variants["pruned"] = plan.pruned_variants(options, width, steps)
    for part, of_part in trained.items():
        members = plan.members(options, variants[part])
        stack = build_stack(options, world, width, steps, members, job)
        weights = {
            name: torch.tensor(value, device=job.device) for name, value in of_part.weights.items()
        }
        heads = stack.head(weights)
        arrays["parameters"] = np.array([stack.size])
        for number, member in enumerate(track(members, f"{world.name}: hidden states")):
            if member.variant not in plan.WITH_MEMORIES:
                continue
            prefix = member_key(member)
            for kind in ("statements", "probes"):
                coded = lines[member.replicate, kind]
                answers = networks.predict(stack, weights, number, coded)
                arrays[f"{prefix}/{kind}"] = answers.features
            arrays[f"{prefix}/head"] = heads[number].float().cpu().numpy()
    return arrays


def member_key(member: NetworkMember) -> str:
    """What the arrays of a network begin with."""
    return f"{member.variant}/{member.replicate}"
