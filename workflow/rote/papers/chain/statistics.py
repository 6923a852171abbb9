"""What the claims measure: functions from tables to replicate values."""

import numpy as np
import pandas as pd

from rote.papers.chain.plan import (
    BY_LOSS,
    COMPARED,
    EARLY,
    FACT,
    FLAT,
    KNN,
    RANDOM,
    UNPRUNED,
    MemoryCell,
)
from rote.papers.chain.results import (
    Tables,
    base_loads,
    cell,
    gains,
    loads,
    width_title,
    world_title,
)

CROWDED = 1.0  # load above which the facts are more than fit
LEARNT = 0.05  # share of facts that a network knows at least, if it has learnt any; by chance 0
GENERALIZED = 0.95  # accuracy on a rule's held-out items from which on it is learnt
MIN_RULE_ITEMS = 1000  # of a rule, to see one point
POINT = 0.01  # of accuracy
ROUNDING = 1e-9
LIKE_SPREAD = 0.1  # share by which spreads of counts may differ where they count as equal

UNPRUNED_ALONE = MemoryCell("none", "nothing")
PRUNED_ALONE = MemoryCell("loss", "nothing")
PRUNED_AND_MEMORY = MemoryCell("loss", "pruned")
UNPRUNED_AND_MEMORY = MemoryCell("none", "pruned")
COMPACT = MemoryCell("loss", "pruned", 8)

Pairs = dict[str, np.ndarray]  # condition -> (replicates, 2)
Values = dict[str, np.ndarray]  # condition -> (replicates,)

_NETWORK = ["world", "width", "steps", "replicate"]

# ---- where pruning helps


def plateau_reached(tables: Tables) -> Pairs:
    """Bits stored after the most steps, and after the number before, at every width.

    By unpruned networks of the world with the most facts.
    """
    rows = tables["networks"]
    rows = rows[rows["variant"] == UNPRUNED.name]
    rows = rows[
        rows["information"] == rows["information"].groupby(rows["replicate"]).transform("max")
    ]
    samples = {}
    for width, of_width in rows.groupby("width"):
        by_steps = of_width.pivot(index="replicate", columns="steps", values="stored")
        if by_steps.shape[1] > 1:
            samples[width_title(int(width))] = by_steps.iloc[:, [-1, -2]].to_numpy()
    if not samples:
        raise KeyError("networks trained for two numbers of steps")
    return samples


def prune_helps(tables: Tables) -> Pairs:
    """Fact accuracy pruned by loss and unpruned at loads above 1.

    After the fewest steps by which networks of a stack know any facts.
    """
    rows = gains(tables, BY_LOSS.name)
    return _arms(_fewest_steps(rows[rows["load"] > CROWDED]), "none")


def prune_hurts(tables: Tables) -> Pairs:
    """Fact accuracy pruned by early losses and unpruned, after the most steps, loads up to 1."""
    rows = gains(tables, EARLY.name)
    rows = rows[(rows["steps"] == rows["steps"].max()) & (rows["load"] <= CROWDED)]
    return _arms(rows, "none")


def late_losses(tables: Tables) -> Pairs:
    """Fact accuracy pruned by losses of networks trained as long, and by early ones, most steps."""
    early = gains(tables, EARLY.name)
    late = gains(tables, BY_LOSS.name)
    both = late.merge(early[[*_NETWORK, "pruned"]], on=_NETWORK, suffixes=("", "_early"))
    few, many = both["steps"].min(), both["steps"].max()
    if few == many:
        raise KeyError("networks trained for two numbers of steps")
    return _arms(both[both["steps"] == many], "pruned_early")


def training_takes_the_gain(tables: Tables) -> Pairs:
    """What pruning by early losses adds after the fewest steps and the most, at every load."""
    rows = _learnt(gains(tables, EARLY.name))
    samples = {}
    for (world, width), of_stack in rows.groupby(["world", "width"]):
        by_steps = of_stack.pivot(index="replicate", columns="steps", values="gain")
        if by_steps.shape[1] > 1:
            ends = by_steps.iloc[:, [0, -1]].dropna()
            samples[f"{world_title(world)}, {width_title(int(width))}"] = ends.to_numpy()
    if not samples:
        raise KeyError("networks that know facts, trained for two numbers of steps")
    return samples


def phrases_gain(tables: Tables) -> Pairs:
    """Accuracy on held-out phrases pruned by loss and unpruned, after the fewest steps.

    At loads above 1: as many steps show the rules more often. Sums, which networks of this size
    hardly ever generalize, do not count.
    """
    facts = gains(tables, BY_LOSS.name)
    judged = _fewest_steps(facts[facts["load"] > CROWDED])[_NETWORK]
    rows = judged.merge(gains(tables, BY_LOSS.name, "phrases"), on=_NETWORK)
    samples = {
        f"{world_title(world)}, {width_title(int(width))}": of_stack[["pruned", "none"]].to_numpy()
        for (world, width), of_stack in rows.groupby(["world", "width"])
    }
    if not samples:
        raise KeyError("networks that know facts at a load above 1")
    return samples


def _learnt(rows: pd.DataFrame) -> pd.DataFrame:
    """Rows of `gains` after as many steps as it takes all networks of a stack to know facts."""
    known = rows[["none", "pruned"]].min(axis=1)
    worst = known.groupby([rows[name] for name in ("world", "width", "steps")]).transform("min")
    return rows[worst >= LEARNT]


def _fewest_steps(rows: pd.DataFrame) -> pd.DataFrame:
    """The first of them, by world and width."""
    learnt = _learnt(rows)
    first = learnt.groupby(["world", "width"])["steps"].transform("min")
    return learnt[learnt["steps"] == first]


def _arms(rows: pd.DataFrame, other: str) -> Pairs:
    """Accuracies pruned and in another column; none where a network has learnt nothing."""
    samples = {}
    for (world, width), of_stack in rows.groupby(["world", "width"]):
        pairs = of_stack.sort_values("replicate")[["pruned", other]].to_numpy()
        learnt = pairs.min(axis=1) >= LEARNT
        samples[f"{world_title(world)}, {width_title(int(width))}"] = np.where(
            learnt[:, None], pairs, np.nan
        )
    if not samples:
        raise KeyError("networks that know facts, at a load at which this is asked")
    return _known(samples)


def _known(samples: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same, unless no network knows any facts: then there is nothing to judge."""
    if all(np.isnan(values).all() for values in samples.values()):
        raise KeyError("networks that know a fact yet: a twentieth of them by themselves")
    return samples


# ---- which half of the pruning does it


def choice_alone(tables: Tables) -> Pairs:
    """Accuracy of facts chosen by loss and of as many random ones, flattened, loads above 1."""
    return _alone(tables, BY_LOSS.name, FLAT.name)


def flattening_alone(tables: Tables) -> Pairs:
    """Accuracy of random facts flattened and with all their statements, loads above 1."""
    return _alone(tables, FLAT.name, RANDOM.name)


def _alone(tables: Tables, a: str, b: str) -> Pairs:
    cells = (MemoryCell(a, "nothing"), MemoryCell(b, "nothing"))
    return _where_learnt(tables, _pairs(tables, *cells), *cells)


# ---- memories


def _crowded_worlds(tables: Tables) -> dict[str, str]:
    """Worlds with more facts than fit, and what the ledger calls them."""
    by_world = base_loads(tables)
    crowded = by_world[by_world > CROWDED]
    if crowded.empty:
        raise KeyError(f"a load above {CROWDED:g}")
    return {world: world_title(world) for world in crowded.index}


def _values(tables: Tables, world: str, of: MemoryCell, column: str) -> np.ndarray:
    """One number per replicate, in their order."""
    rows = tables["accuracy"]
    rows = cell(rows[rows["world"] == world], *of)
    if rows.empty:
        raise KeyError(f"{world}, {of.variant}, {of.content}")
    return rows.sort_values("replicate")[column].to_numpy()


def _pairs(tables: Tables, a: MemoryCell, b: MemoryCell, column: str = "facts") -> Pairs:
    """A column of two cells at every load above 1."""
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        pairs = np.column_stack([_values(tables, world, arm, column) for arm in (a, b)])
        if np.isnan(pairs).any(axis=1).all():
            raise KeyError(f"{column}, {title}")
        samples[title] = pairs
    return samples


def _where_learnt(tables: Tables, samples: Pairs, *of: MemoryCell) -> Pairs:
    """Pairs of the worlds in which networks know facts by themselves, no value in others.

    Where one has learnt nothing, any other knows more, and a memory answers alone.

    Args:
        tables: of a run, by name.
        samples: by world, (replicates, 2).
        *of: networks that must have learnt something.
    """
    worlds = {title: world for world, title in _crowded_worlds(tables).items()}
    judged = {}
    for title, pairs in samples.items():
        known = [_values(tables, worlds[title], arm, "facts") for arm in of]
        learnt = np.min(known, axis=0) >= LEARNT
        judged[title] = np.where(learnt[:, None], pairs, np.nan)
    return _known(judged)


def memory_recovers(tables: Tables) -> Pairs:
    """Accuracy on pruned-away facts, paraphrased, with a memory of them and without."""
    samples = _pairs(tables, PRUNED_AND_MEMORY, PRUNED_ALONE, "pruned_facts")
    return _where_learnt(tables, samples, PRUNED_ALONE)


def division_of_labour(tables: Tables) -> Pairs:
    """Fact accuracy pruned and unpruned, both with the same memory of the pruned statements.

    They are those that the unpruned network knows worst: its losses prune.
    """
    samples = _pairs(tables, PRUNED_AND_MEMORY, UNPRUNED_AND_MEMORY)
    return _where_learnt(tables, samples, PRUNED_ALONE, UNPRUNED_ALONE)


def equal_bytes(tables: Tables) -> Pairs:
    """Facts with an int8 memory of the pruned, and of the smallest network with as many bytes."""
    networks = tables["networks"]
    alone = networks[networks["variant"] == UNPRUNED.name]
    alone = alone[alone["steps"] == alone["steps"].max()]
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        sizes = cell(tables["accuracy"], *COMPACT)
        sizes = sizes[sizes["world"] == world]
        needed = float((sizes["weights_bytes"] + sizes["memory_bytes"]).mean())
        of_world = alone[(alone["world"] == world) & (4 * alone["parameters"] >= needed)]
        if len(of_world):
            smallest = of_world[of_world["parameters"] == of_world["parameters"].min()]
            larger = smallest.sort_values("replicate")["facts"].to_numpy()
            samples[title] = np.column_stack([_values(tables, world, COMPACT, "facts"), larger])
    if not samples:
        raise KeyError("a network without a memory that takes as many bytes")
    return _where_learnt(tables, samples, PRUNED_ALONE, UNPRUNED_ALONE)


def words_alone(tables: Tables) -> Pairs:
    """Facts from nearest neighbors over words of all statements, and from our chain."""
    rows = tables["lookups"]
    rows = rows[(rows["method"] == KNN.name) & (rows["memory"] == "all")]
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        known = rows[rows["world"] == world].sort_values("replicate")["facts"].to_numpy()
        chain = _values(tables, world, PRUNED_AND_MEMORY, "facts")
        samples[title] = np.column_stack([known, chain])
    return _where_learnt(tables, samples, PRUNED_ALONE)


def rules_kept(tables: Tables) -> Values:
    """Whether a rule loses at most a point of accuracy to a memory of the pruned, 0 or 1.

    Of rules that networks generalize (the mean over replicates), over enough items to see one
    point, where the memory answers facts: one that is never used harms nothing.
    """
    rows = tables["rules"]
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        used = _gain(tables, world, PRUNED_AND_MEMORY, PRUNED_ALONE) >= LEARNT
        of_world = rows[(rows["world"] == world) & (rows["items"] >= MIN_RULE_ITEMS)]
        for rule, of_rule in of_world.groupby("rule"):
            with_memory, alone = (
                cell(of_rule, arm.variant, arm.content).sort_values("replicate")["accuracy"]
                for arm in (PRUNED_AND_MEMORY, PRUNED_ALONE)
            )
            if alone.mean() >= GENERALIZED and used.any():
                lost = alone.to_numpy() - with_memory.to_numpy()
                samples[f"{rule}, {title}"] = np.where(used, lost <= POINT + ROUNDING, np.nan)
    if not samples:
        raise KeyError(f"a rule that networks generalize, of {MIN_RULE_ITEMS} held-out items")
    return samples


def _gain(tables: Tables, world: str, with_memory: MemoryCell, alone: MemoryCell) -> np.ndarray:
    """What a memory adds to the accuracy over facts, (replicates,)."""
    known = [_values(tables, world, arm, "facts") for arm in (with_memory, alone)]
    return known[0] - known[1]


def silence(tables: Tables) -> Values:
    """Loss of held-out text without facts with a memory, over that without, by replicate.

    Of the pruned beside the pruned network, and of everything beside the unpruned one, where the
    memory answers facts.
    """
    arms = {
        "pruned": (PRUNED_AND_MEMORY, PRUNED_ALONE),
        "all": (MemoryCell("none", "all"), UNPRUNED_ALONE),
    }
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        for content, cells in arms.items():
            with_memory, alone = (_values(tables, world, arm, "other_loss") for arm in cells)
            used = _gain(tables, world, *cells) >= LEARNT
            samples[f"{content}, {title}"] = np.where(used, with_memory / alone, np.nan)
    return _known(samples)


# ---- counts


def counts_explain_facts(tables: Tables) -> Pairs:
    """Spearman correlation on facts and on phrases of equal spread of counts, unpruned."""
    return _correlations(tables, (UNPRUNED.name, FACT), (UNPRUNED.name, COMPARED))


def flattening_breaks_counts(tables: Tables) -> Pairs:
    """Spearman correlation on facts with counts of the full corpus: unpruned, pruned by loss."""
    return _correlations(tables, (UNPRUNED.name, FACT), (BY_LOSS.name, FACT))


def _correlations(tables: Tables, *arms: tuple[str, str]) -> Pairs:
    """Spearman correlations of two arms for every width at loads above 1.

    Of replicates whose networks have learnt facts and whose counts spread alike.

    Args:
        tables: of a run, by name.
        *arms: corpus, and kind of the items.
    """
    crowded = loads(tables)
    crowded = crowded[crowded["load"] > CROWDED]
    samples = {}
    for world, width, _ in crowded.itertuples(index=False):
        rows = tables["spearman"]
        rows = rows[(rows["world"] == world) & (rows["width"] == width)]
        of_arms = [
            rows[(rows["variant"] == variant) & (rows["kind"] == kind)].set_index("replicate")
            for variant, kind in arms
        ]
        if any(of_arm.empty for of_arm in of_arms):
            continue
        rho = pd.concat([of_arm["rho"] for of_arm in of_arms], axis=1, join="inner").dropna()
        spreads = pd.concat([of_arm["spread"] for of_arm in of_arms], axis=1).reindex(rho.index)
        alike = spreads.max(axis=1) <= (1 + LIKE_SPREAD) * spreads.min(axis=1)
        learnt = _knows(tables, world, int(width), {variant for variant, _ in arms})
        judged = alike & learnt.reindex(rho.index, fill_value=False)
        samples[f"{world_title(world)}, {width_title(int(width))}"] = rho[judged].to_numpy()
    if not samples:
        raise KeyError("Spearman correlations with counts at a load above 1")
    return samples


def _knows(tables: Tables, world: str, width: int, variants: set[str]) -> pd.Series:
    """Whether networks on all these corpora have learnt any facts, by replicate."""
    rows = tables["networks"]
    rows = rows[(rows["world"] == world) & (rows["width"] == width)]
    rows = rows[rows["variant"].isin(variants) & (rows["steps"] == rows["steps"].max())]
    return rows.groupby("replicate")["facts"].min() >= LEARNT
