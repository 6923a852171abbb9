"""Hidden states that predict the tokens of answers: what memories are made of."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple

import numpy as np
import torch

from rote.models.stack import LanguageStack, Parameters
from rote.papers.chain import networks, plan
from rote.papers.chain.networks import ChainJob
from rote.papers.chain.plan import NetworkMember
from rote.papers.chain.sequences import Sequences
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


class TrainedNetwork(NamedTuple):
    """One network of a stack, after the most steps."""

    stack: LanguageStack
    weights: Parameters  # (networks, ...) by name, of the whole stack
    number: int  # in the stack

    @property
    def parameters(self) -> int:
        """Its parameters."""
        return self.stack.size

    def head(self) -> np.ndarray:
        """The matrix that reads hidden states, (vocabulary, d)."""
        return self.stack.head(self.weights)[self.number].float().cpu().numpy()

    def states(self, lines: Sequences, first: int = 0) -> AnswerTokens:
        """The tokens of the lines' answers, with the states that predict them.

        Args:
            lines: token ids, and the positions of the answers in them.
            first: number of the first line.
        """
        answers = networks.predict(self.stack, self.weights, self.number, lines, with_features=True)
        rows, columns = np.nonzero(lines.mask > 0)
        targets = lines.targets[rows, columns].astype(np.int64)
        return AnswerTokens(answers.features, targets, rows + first)

    def parts(self, lines: Sequences, size: int) -> Iterator[AnswerTokens]:
        """The same in parts of so many lines, one in memory at a time.

        Args:
            lines: token ids, and the positions of the answers in them.
            size: lines of a part.
        """
        for begin in range(0, len(lines), size):
            yield self.states(lines.pick(slice(begin, begin + size)), begin)


def trained_networks(
    options: Settings, world: WorldFolder, trained: Mapping[str, Trained], job: ChainJob
) -> dict[NetworkMember, TrainedNetwork]:
    """The networks of the first width that have memories, at the plateau.

    Args:
        options: config section of the chain.
        world: that they were trained on.
        trained: networks on the unpruned corpora, and on the pruned ones, by "unpruned", "pruned".
        job: seed that the networks are built from, and device.
    """
    width, steps = plan.base_width(options), plan.plateau_steps(options)
    variants = {"unpruned": [plan.UNPRUNED.name]}
    variants["pruned"] = plan.pruned_variants(options, width, steps)
    opened = {}
    for part, of_part in trained.items():
        members = plan.members(options, variants[part])
        stack = build_stack(options, world, width, steps, members, job)
        weights = {
            name: torch.tensor(value, device=job.device) for name, value in of_part.weights.items()
        }
        for number, member in enumerate(members):
            if member.variant in plan.WITH_MEMORIES:
                opened[member] = TrainedNetwork(stack, weights, number)
    return opened
