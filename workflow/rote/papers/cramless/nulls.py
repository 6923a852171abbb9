"""How the tables look if a claim is false."""

import numpy as np
import pandas as pd

from rote.ledger import nulls
from rote.ledger.nulls import Tables
from rote.papers.cramless.arms import (
    AUTOMATIC,
    AUTOMATIC_FLAT,
    LADDER_GROUP,
    LONGER_GROUP,
    LOW,
    LOW_FLAT,
    OFFLINE_AUTOMATIC,
    OFFLINE_RANDOM,
    SMALL_LONGER,
    STANDARD,
    STANDARD_GROUP,
    TEXT_SIZES,
    Scheme,
)
from rote.papers.cramless.runs import (
    automatic,
    base_network,
    matched,
    outcomes,
    select,
    standard,
)
from rote.papers.cramless.statistics import cramming_hurts, next_larger

RESULTS = ["recited", "weighted", "stored", "trained", "scored"]  # of a run
ARM = ["arm", "replicate"]  # names a run

selection_exchanged = nulls.exchanged("runs", "scheme", AUTOMATIC.name, STANDARD.name)
pruning_exchanged = nulls.exchanged("runs", "scheme", OFFLINE_AUTOMATIC.name, STANDARD.name)
share_exchanged = nulls.chained(
    nulls.exchanged("runs", "scheme", AUTOMATIC.name, LOW.name),
    nulls.exchanged("runs", "scheme", AUTOMATIC_FLAT.name, LOW_FLAT.name),
)
BITS_AT_RANDOM = 30  # that an untrained network seems to store, whatever the facts
half_stored = nulls.moved("runs", "stored", times=0.4)
text_selection_exchanged = nulls.exchanged("text_runs", "scheme", AUTOMATIC.name, STANDARD.name)

longer_text_exchanged = nulls.exchanged(
    "text_runs", "scheme", AUTOMATIC.name, SMALL_LONGER.columns[1]
)


def untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks are untrained: they recite nothing, and store as few bits as chance gives."""
    runs = tables["runs"]
    stored = BITS_AT_RANDOM * rng.normal(1, 0.01, len(runs))
    changed = {"runs": runs.assign(recited=0, weighted=0.0, stored=stored)}
    if "trained" in tables:
        changed["trained"] = tables["trained"].assign(recited=False)
    return nulls.replaced(tables, **changed)


def untrained_text(tables: Tables) -> Tables:
    """Networks recite nothing of the text."""
    return nulls.replaced(tables, text_runs=tables["text_runs"].assign(recited=0))


def selection_trains_on_more(tables: Tables) -> Tables:
    """Selection trains on a tenth more examples than standard training."""
    changed = []
    for name in base_network(tables).crowded:
        more = 1.1 * standard(tables, name)["trained"]
        changed.append(automatic(tables, name).assign(trained=more))
    return _with_results(tables, *changed)


def _with_results(tables: Tables, *changed: pd.DataFrame) -> Tables:
    """The runs with other results.

    Args:
        tables: of a run of the pipeline, by name.
        *changed: rows as of `runs.select` whose results count.
    """
    runs = tables["runs"].set_index(ARM)
    runs = runs.astype(dict.fromkeys(RESULTS, float))
    for rows in changed:
        values = rows.reset_index().set_index(ARM)[RESULTS]
        runs.loc[values.index, RESULTS] = values.to_numpy(float)
    return nulls.replaced(tables, runs=runs.reset_index())


def _alternated(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """An arm that has the results of another one in every second replicate."""
    odd = (rows.index % 2 == 1)[:, None]
    results = np.where(odd, others[RESULTS], rows[RESULTS]).astype(float)
    return rows.assign(**dict(zip(RESULTS, results.T, strict=True)))


def _exchanged(a: pd.DataFrame, b: pd.DataFrame) -> list[pd.DataFrame]:
    """Two arms whose results are exchanged in every second replicate."""
    return [_alternated(a, b), _alternated(b, a)]


def _sign_changed(rows: pd.DataFrame, reference: pd.DataFrame) -> pd.DataFrame:
    """An arm whose difference from a reference changes its sign in every second replicate."""
    return _alternated(rows, 2 * reference[RESULTS] - rows[RESULTS])


def cramming_changes_sign(tables: Tables) -> Tables:
    """What far too many facts cost changes its sign in every second replicate."""
    changed = []
    for facts in cramming_hurts(tables).values():
        cost = facts[:, 1] - facts[:, 0]
        odd = np.arange(len(facts)) % 2 == 1
        changed.append(np.where(odd, facts[:, 1] + cost, facts[:, 0]))
    rows = [standard(tables, name) for name in base_network(tables).crowded]
    pairs = zip(rows, changed, strict=True)
    return _with_results(tables, *(of.assign(recited=recited) for of, recited in pairs))


def selection_falls_short(tables: Tables) -> Tables:
    """Selection recites three fifths of what it does."""
    runs = tables["runs"]
    less = runs["scheme"] == AUTOMATIC.name
    columns = {name: runs[name].where(~less, 0.6 * runs[name]) for name in ("recited", "weighted")}
    return nulls.replaced(tables, runs=runs.assign(**columns))


def selection_costs_as_much(tables: Tables) -> Tables:
    """Selection recites what standard training does, or less, however long that is."""
    runs = tables["runs"]
    of_base = runs["group"].isin([STANDARD_GROUP.name, LONGER_GROUP.name])
    longest = runs[of_base].groupby(["data", "replicate"])["recited"].max()
    of_standard = runs.join(longest.rename("longest"), on=["data", "replicate"])["longest"]
    selects = runs["scheme"] == AUTOMATIC.name
    return nulls.replaced(
        tables, runs=runs.assign(recited=runs["recited"].where(~selects, of_standard / 2))
    )


def size_does_not_count(tables: Tables) -> Tables:
    """The smallest network of the ladder recites all that selection does, and more."""
    runs = tables["runs"]
    highest = runs["recited"].max()
    of_ladder = runs["group"] == LADDER_GROUP.name
    standards = of_ladder & (runs["scheme"] == STANDARD.name)
    return nulls.replaced(
        tables, runs=runs.assign(recited=runs["recited"].where(~standards, highest))
    )


def bits_make_whole_facts(tables: Tables) -> Tables:
    """Standard training recites as many facts as the bits that it stores amount to."""
    changed = [standard(tables, name) for name in base_network(tables).crowded]
    return _with_results(
        tables, *(rows.assign(recited=rows["stored"] / rows["bits"]) for rows in changed)
    )


def selection_stores_less(tables: Tables) -> Tables:
    """Selection stores three quarters of the bits that it does."""
    changed = [automatic(tables, name) for name in base_network(tables).crowded]
    return _with_results(tables, *(rows.assign(stored=0.75 * rows["stored"]) for rows in changed))


def selection_harms(tables: Tables) -> Tables:
    """Where all facts fit, selection recites 0.98 as many facts as standard training."""
    small = base_network(tables).small
    recited = 0.98 * standard(tables, small)["recited"]
    return _with_results(tables, automatic(tables, small).assign(recited=recited))


def frequencies_exchanged(tables: Tables) -> Tables:
    """Power laws and uniform data sets as large are exchanged in every second replicate."""
    changed = []
    for power_law, uniform in matched(tables).items():
        changed += _exchanged(standard(tables, power_law), standard(tables, uniform))
    return _with_results(tables, *changed)


def seen_as_often(tables: Tables) -> Tables:
    """Selection with flattening trains on every fact as often as standard training does."""
    base = base_network(tables)
    key = ["replicate", "fact"]
    reference = outcomes(tables, base.skewed, STANDARD).set_index(key)["seen"]
    trained = tables["trained"]
    seen = trained["seen"].copy()
    for scheme in (AUTOMATIC_FLAT, LOW_FLAT):
        rows = outcomes(tables, base.skewed, scheme)
        seen[rows.index] = rows.join(reference.rename("of_standard"), on=key)["of_standard"]
    return nulls.replaced(tables, trained=trained.assign(seen=seen))


def gains_over_random_change_sign(tables: Tables) -> Tables:
    """What selection gains over random facts changes its sign in every second replicate."""
    skewed = base_network(tables).skewed
    random = select(tables, skewed, OFFLINE_RANDOM)
    arms = [select(tables, skewed, scheme) for scheme in (AUTOMATIC, OFFLINE_AUTOMATIC)]
    return _with_results(tables, *(_sign_changed(rows, random) for rows in arms))


def larger_exchanged(tables: Tables) -> Tables:
    """The larger network and that on pruned data are exchanged in every second replicate."""
    return _against(tables, OFFLINE_AUTOMATIC, next_larger(tables))


def larger_online_exchanged(tables: Tables) -> Tables:
    """The larger network and that with selection are exchanged in every second replicate."""
    return _against(tables, AUTOMATIC, next_larger(tables))


def longer_exchanged(tables: Tables) -> Tables:
    """Longer standard training and selection are exchanged in every second replicate."""
    longer = standard(tables, base_network(tables).skewed, longer=True)
    return _against(tables, AUTOMATIC, longer)


def _against(tables: Tables, scheme: Scheme, other: pd.DataFrame) -> Tables:
    selected = select(tables, base_network(tables).skewed, scheme)
    return _with_results(tables, *_exchanged(selected, other))


def small_text_network_recites_less(tables: Tables) -> Tables:
    """The small network with selection recites half as many facts of the text as it does."""
    runs = tables["text_runs"]
    arm = (runs["size"] == TEXT_SIZES[0]) & (runs["scheme"] == AUTOMATIC.name)
    recited = runs["recited"].where(~arm, runs["recited"] / 2)
    return nulls.replaced(tables, text_runs=runs.assign(recited=recited))
