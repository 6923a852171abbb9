"""Training the networks of a world, for every number of steps, and what they answer."""

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from rote.models.stack import LanguageStack
from rote.papers.chain import networks, plan
from rote.papers.chain.networks import Arrays, ChainJob, NetworkAnswers, NetworkShape
from rote.papers.chain.plan import NetworkMember
from rote.papers.chain.sequences import Sequences
from rote.papers.chain.settings import Settings
from rote.papers.chain.worlds import WorldFolder


class Trained(NamedTuple):
    """What `train_unpruned` and `train_pruned` made of one world and width."""

    arrays: Mapping[str, np.ndarray]

    @property
    def parameters(self) -> int:
        """Parameters of one network."""
        return int(self.arrays["parameters"][0])

    @property
    def weights(self) -> Arrays:
        """Weights (networks, ...) after the most steps, in the order of `plan.members`."""
        prefix = "weights/"
        names = [name for name in self.arrays if name.startswith(prefix)]
        return {name.removeprefix(prefix): self.arrays[name] for name in names}

    def losses(self, steps: int, member: NetworkMember) -> np.ndarray:
        """Nats of every question's answer, (questions,)."""
        return self.arrays[_answer_key(steps, member, "losses")]

    def exact(self, steps: int, member: NetworkMember) -> np.ndarray:
        """Whether greedy decoding gives the answer, (questions,) bool."""
        return self.arrays[_answer_key(steps, member, "exact")] > 0

    def token_accuracy(self, steps: int, member: NetworkMember) -> np.ndarray:
        """Share of the answer's tokens that are right, (questions,)."""
        return self.arrays[_answer_key(steps, member, "token_accuracy")]


def _answer_key(steps: int, member: NetworkMember, name: str) -> str:
    return f"{steps}/{member.variant}/{member.replicate}/{name}"


def rows_key(steps: int, member: NetworkMember) -> str:
    """How the array is called that says which documents a pruned corpus keeps."""
    return f"{steps}/{member.variant}/{member.replicate}"


def train_unpruned(options: Settings, world: WorldFolder, width: int, job: ChainJob) -> Arrays:
    """Train a network per replicate on everything, for every number of steps.

    Their losses prune the corpus.

    Args:
        options: config section of the chain.
        world: whose corpora they are.
        width: of the networks; 0 is the user's model.
        job: seed, device and checkpoints.

    Returns:
        Arrays that `Trained` reads.
    """
    corpora = {
        NetworkMember(plan.UNPRUNED.name, replicate): world.encode(world.corpus(replicate))
        for replicate in range(options.world.replicates)
    }
    return _train(options, world, width, dict.fromkeys(plan.steps_of(options, width), corpora), job)


def train_pruned(
    options: Settings,
    world: WorldFolder,
    pruned: Mapping[str, np.ndarray],
    width: int,
    job: ChainJob,
) -> Arrays:
    """Train a network per pruned corpus and replicate, for as many steps as the unpruned ones.

    Args:
        options: config section of the chain.
        world: whose corpora they are.
        pruned: documents that each corpus keeps, by `rows_key`.
        width: of the networks; 0 is the user's model.
        job: seed, device and checkpoints.

    Returns:
        Arrays that `Trained` reads.
    """
    replicates = range(options.world.replicates)
    everything = [world.encode(world.corpus(replicate)) for replicate in replicates]
    corpora = {}
    for steps in plan.steps_of(options, width):
        members = plan.members(options, plan.pruned_variants(options, width, steps))
        corpora[steps] = {
            member: everything[member.replicate].pick(pruned[rows_key(steps, member)])
            for member in members
        }
    return _train(options, world, width, corpora, job)


def _train(
    options: Settings,
    world: WorldFolder,
    width: int,
    corpora: dict[int, dict[NetworkMember, Sequences]],
    job: ChainJob,
) -> Arrays:
    """Networks on these corpora, by steps; arrays as `Trained` reads them."""
    replicates = range(options.world.replicates)
    probes = [world.encode(world.probes(replicate)) for replicate in replicates]
    arrays: Arrays = {}
    for steps, of_members in corpora.items():
        weights: list[Arrays] = []
        for members in _stacks(list(of_members), options.network.stacked):
            stack = build_stack(options, world, width, steps, members, job)
            by_name = {network_name(world, steps, member): of_members[member] for member in members}
            title = f"{world.name}, width {width}, {steps} steps"
            of_stack = job.checkpointing(f"{steps}-{len(weights)}")
            trained = networks.fit(stack, by_name, options, steps, of_stack, title)
            for number, member in enumerate(members):
                answers = networks.predict(stack, trained, number, probes[member.replicate])
                arrays |= _answer_arrays(steps, member, answers)
            weights.append({name: value.cpu().numpy() for name, value in trained.items()})
            arrays["parameters"] = np.array([stack.size])
        for name in weights[0]:
            parts = [of_stack[name] for of_stack in weights]
            arrays[f"weights/{name}"] = np.concatenate(parts)
    return arrays


def _stacks(members: list[NetworkMember], size: int) -> list[list[NetworkMember]]:
    """The networks in stacks of so many, in their order."""
    return [members[begin : begin + size] for begin in range(0, len(members), size)]


def _answer_arrays(steps: int, member: NetworkMember, answers: NetworkAnswers) -> Arrays:
    named = {
        "losses": answers.losses,
        "exact": answers.exact.astype(np.uint8),
        "token_accuracy": answers.token_accuracy,
    }
    return {_answer_key(steps, member, name): array for name, array in named.items()}


def build_stack(
    options: Settings,
    world: WorldFolder,
    width: int,
    steps: int,
    members: list[NetworkMember],
    job: ChainJob,
) -> LanguageStack:
    """The networks of a width, as yet untrained.

    Args:
        options: config section of the chain.
        world: whose corpora the networks are for.
        width: of the networks; 0 is the user's model.
        steps: that they will be trained for.
        members: the networks.
        job: seed of initial weights, and device.
    """
    names = [network_name(world, steps, member) for member in members]
    shape = NetworkShape(world.vocabulary, world.length, width)
    return networks.build(options, shape, names, job.seed, job.device)


def network_name(world: WorldFolder, steps: int, member: NetworkMember) -> str:
    """What a network's random streams are called after."""
    return f"{world.name} {steps} {member.variant} {member.replicate}"
