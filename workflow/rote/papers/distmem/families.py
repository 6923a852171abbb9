"""Families of networks, and the networks of each: the rungs of the ladder."""

from dataclasses import dataclass

from rote.core.errors import InputError
from rote.core.registry import registered
from rote.papers.distmem.settings import DistmemFamily, DistmemLadder


@dataclass(frozen=True)
class NetworkFamily:
    """A family of networks.

    Attributes:
        name: begins the names of its networks, and is the key of its section in `distmem.ladder`.
        architecture: of `rote.models.lm`.
        label: in figures.
    """

    name: str
    architecture: str
    label: str

    def section(self, options: DistmemLadder) -> DistmemFamily:
        """The config section with the sizes and learning rates of the family's networks."""
        return getattr(options, self.name)


NEOX = NetworkFamily("neox", "gpt_neox", "GPT-NeoX")
LLAMA = NetworkFamily("llama", "llama", "LLaMA")
FAMILIES: dict[str, NetworkFamily] = {family.name: family for family in (NEOX, LLAMA)}


@dataclass(frozen=True)
class Rung:
    """One network of the ladder."""

    family: NetworkFamily
    width: int
    layers: int
    heads: int
    learning_rate: float

    @property
    def name(self) -> str:
        """`<family>-<width>`."""
        return f"{self.family.name}-{self.width}"


def family(name: str) -> NetworkFamily:
    """A family by name. Raises InputError naming those that there are."""
    return registered(FAMILIES, name, "--family")


def rungs(options: DistmemLadder, of: NetworkFamily) -> list[Rung]:
    """Networks of a family, ascending."""
    section = of.section(options)
    shapes = zip(section.sizes, section.rates, strict=True)
    return [Rung(of, *shape, learning_rate) for shape, learning_rate in shapes]


def trained(options: DistmemLadder) -> list[str]:
    """Names of the families that have networks in this run."""
    return [name for name, family in FAMILIES.items() if rungs(options, family)]


def ladder(options: DistmemLadder) -> dict[str, Rung]:
    """Every network by name, family by family."""
    networks = {}
    for group in FAMILIES.values():
        networks |= {rung.name: rung for rung in rungs(options, group)}
    return networks


def network(options: DistmemLadder, name: str) -> Rung:
    """A network by name. Raises InputError naming those that there are."""
    networks = ladder(options)
    if name not in networks:
        raise InputError(f"--network must be one of {', '.join(networks)}, given {name!r}")
    return networks[name]
