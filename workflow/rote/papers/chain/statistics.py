"""What the claims measure: functions from tables to replicate values."""

from collections.abc import Iterable

import numpy as np
import pandas as pd

from rote.papers.chain.plan import BY_LOSS, FLAT, UNPRUNED, MemoryCell, world_title
from rote.papers.chain.results import Tables, base_networks, cell, loads

CROWDED_LOAD = 1.0  # above it the facts are more than fit
SPARSE_LOAD = 0.5  # up to it all facts fit
UNPRUNED_ALONE = MemoryCell("none", "nothing")
UNPRUNED_AND_RANDOM = MemoryCell("none", "random")
RANDOM_ALONE = MemoryCell("random", "nothing")
PRUNED_ALONE = MemoryCell("loss", "nothing")
PRUNED_AND_MEMORY = MemoryCell("loss", "pruned")
LEARNT = 0.05  # share of facts that a network knows at least, if it has learnt any; by chance 0
WELL_LEARNT = 0.2  # the same where accuracies are told apart to within 0.06
LEARNT_RULE = "translation"  # the rule that networks of this size learn
FACT = "fact"  # kind of a question in the table of correlations

Pairs = dict[str, np.ndarray]  # condition -> (replicates, 2)


def _crowded_worlds(tables: Tables) -> dict[str, str]:
    """Worlds with more facts than fit, and what the ledger calls them."""
    by_world = loads(tables)
    crowded = by_world[~(by_world <= CROWDED_LOAD)]
    if crowded.empty:
        raise KeyError(f"a load above {CROWDED_LOAD:g}")
    return {world: world_title(load) for world, load in crowded.items()}


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
        arms = [_values(tables, world, arm, column) for arm in (a, b)]
        pairs = np.column_stack(arms)
        if np.isnan(pairs).any(axis=1).all():
            raise KeyError(f"{column}, {title}")
        samples[title] = pairs
    return samples


def _where_learnt(tables: Tables, samples: Pairs, *of: MemoryCell) -> Pairs:
    """Pairs of the worlds in which networks know facts by themselves, no value in others.

    Where one has learnt nothing, any other knows more, and a memory answers alone.

    Args:
        tables: of a run, by name.
        samples: by load, (replicates, 2).
        *of: networks that must have learnt something.
    """
    titles = {title: world for world, title in _crowded_worlds(tables).items()}
    judged = {}
    for title, pairs in samples.items():
        known = [_values(tables, titles[title], arm, "facts") for arm in of]
        learnt = np.min(known, axis=0) >= LEARNT
        judged[title] = np.where(learnt[:, None], pairs, np.nan)
    return judged


def prune_helps(tables: Tables) -> Pairs:
    """Fact accuracy pruned by loss and unpruned, no memory, loads above 1."""
    arms = (PRUNED_ALONE, UNPRUNED_ALONE)
    return _where_learnt(tables, _pairs(tables, *arms), *arms)


def prune_beats_random(tables: Tables) -> Pairs:
    """Fact accuracy pruned by loss and pruned at random to the same size, loads above 1."""
    arms = (PRUNED_ALONE, RANDOM_ALONE)
    return _where_learnt(tables, _pairs(tables, *arms), *arms)


def flattening_alone(tables: Tables) -> Pairs:
    """Fact accuracy chosen by loss and chosen at random, both flattened, at the ladder's load.

    Networks that know few facts agree anyway, and have no value.
    """
    rows = base_networks(tables)
    flat = rows[rows["variant"] == FLAT.name].sort_values("replicate")
    if flat.empty:
        raise KeyError("the corpus that is flattened but chosen at random")
    world = flat["world"].iloc[0]
    by_loss = rows[(rows["variant"] == BY_LOSS.name) & (rows["world"] == world)]
    by_loss = by_loss.sort_values("replicate")
    title = world_title(by_loss["load"].iloc[0])
    pairs = np.column_stack([by_loss["facts"], flat["facts"]])
    learnt = pairs.min(axis=1) >= WELL_LEARNT
    return {title: np.where(learnt[:, None], pairs, np.nan)}


def memory_recovers(tables: Tables) -> Pairs:
    """Accuracy on pruned-away facts, with a memory of them and without, loads above 1."""
    samples = _pairs(tables, PRUNED_AND_MEMORY, PRUNED_ALONE, "pruned_facts")
    return _where_learnt(tables, samples, PRUNED_ALONE)


def memory_keeps_rules(tables: Tables) -> Pairs:
    """Accuracy on translations never shown, with a memory of pruned facts and without.

    Where the memory answers facts: one that is never used harms nothing.
    """
    rows = tables["rules"]
    rows = rows[rows["rule"] == LEARNT_RULE]
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        of_world = rows[rows["world"] == world]
        if of_world.empty:
            raise KeyError(f"accuracy on rules, {title}")
        arms = [
            cell(of_world, *arm).sort_values("replicate")["accuracy"]
            for arm in (PRUNED_AND_MEMORY, PRUNED_ALONE)
        ]
        facts = [_values(tables, world, arm, "facts") for arm in (PRUNED_AND_MEMORY, PRUNED_ALONE)]
        used = facts[0] - facts[1] >= LEARNT
        samples[title] = np.where(used[:, None], np.column_stack(arms), np.nan)
    return samples


def division_of_labour(tables: Tables) -> Pairs:
    """Fact accuracy at equal memory, loads above 1.

    Pruned network with the pruned facts, and unpruned network with as many random statements.
    """
    samples = _pairs(tables, PRUNED_AND_MEMORY, UNPRUNED_AND_RANDOM)
    return _where_learnt(tables, samples, PRUNED_ALONE, UNPRUNED_ALONE)


def facts_follow_counts(tables: Tables) -> Pairs:
    """Spearman correlation on facts and on rules (mean over rules), unpruned, every width."""
    return _correlations(tables, (UNPRUNED.name, True), (UNPRUNED.name, False))


def flattening_breaks_counts(tables: Tables) -> Pairs:
    """Spearman correlation on facts with counts of the full corpus: unpruned, pruned by loss."""
    return _correlations(tables, (UNPRUNED.name, True), (BY_LOSS.name, True))


def _correlations(tables: Tables, *arms: tuple[str, bool]) -> Pairs:
    """Spearman correlations of two arms for every width at loads above 1.

    Of replicates whose networks have learnt any facts: random log-probabilities follow nothing.

    Args:
        tables: of a run, by name.
        *arms: corpus, and whether on facts (else on rules).
    """
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        rows = tables["spearman"]
        rows = rows[rows["world"] == world]
        for width, of_width in rows.groupby("width"):
            columns = [_rho(of_width, *arm) for arm in arms]
            if any(column.empty for column in columns):
                raise KeyError(f"Spearman correlations of {arms}, {title}, width {width}")
            pairs = pd.concat(columns, axis=1, join="inner").dropna()
            learnt = _knows(tables, world, int(width), arms)
            pairs = pairs[learnt.reindex(pairs.index, fill_value=False)]
            samples[f"{title}, width {width}"] = pairs.to_numpy()
    if not samples:
        raise KeyError("Spearman correlations with counts")
    return samples


def _knows(tables: Tables, world: str, width: int, arms: Iterable[tuple[str, bool]]) -> pd.Series:
    """Whether networks on all these corpora have learnt any facts, by replicate."""
    rows = tables["networks"]
    variants = {variant for variant, _ in arms}
    rows = rows[(rows["world"] == world) & (rows["width"] == width)]
    rows = rows[rows["variant"].isin(variants)]
    return rows.groupby("replicate")["facts"].min() >= LEARNT


def _rho(rows: pd.DataFrame, variant: str, of_facts: bool) -> pd.Series:
    """Spearman correlation by replicate, mean over kinds."""
    rows = rows[(rows["variant"] == variant) & ((rows["kind"] == FACT) == of_facts)]
    return rows.groupby("replicate")["rho"].mean().sort_index()


def beyond_capacity(tables: Tables) -> Pairs:
    """Bits that weights and memory recall, and the most that weights alone hold.

    Recalled on the facts tested, held of all facts by any network of the base width.
    """
    stored = base_networks(tables).groupby(["replicate", "world", "variant"])["stored"].sum()
    limit = stored.groupby("replicate").max().sort_index().to_numpy()
    samples = {}
    for world, title in _crowded_worlds(tables).items():
        recalled = _values(tables, world, PRUNED_AND_MEMORY, "recalled")
        samples[title] = np.column_stack([recalled, limit])
    return _where_learnt(tables, samples, UNPRUNED_ALONE, PRUNED_ALONE)


def keeps_what_fits(tables: Tables) -> dict[str, np.ndarray]:
    """Whether pruning by loss keeps every stated fact, 0 or 1 per world, loads of at most 0.5.

    And takes some away at every load above 1: what never prunes keeps all.
    """
    by_world = loads(tables)
    sparse = by_world[by_world <= SPARSE_LOAD]
    if sparse.empty:
        raise KeyError(f"a load of at most {SPARSE_LOAD:g}")
    facts = tables["facts"]
    stated = facts[facts["count"] > 0]
    crowded = stated[stated["world"].isin(_crowded_worlds(tables))]
    loses = (crowded["count_loss"] == 0).groupby([crowded["replicate"], crowded["world"]]).any()
    pruned = loses.groupby("replicate").all()
    samples = {}
    for world, load in sparse.items():
        of_world = stated[stated["world"] == world]
        stays = of_world["count_loss"] > 0
        keeps = stays.groupby(of_world["replicate"]).all()
        samples[world_title(load)] = (keeps & pruned).to_numpy(float)
    return samples
