"""How the tables look if a claim of the chain is false."""

import numpy as np
import pandas as pd

from rote.ledger import nulls
from rote.ledger.nulls import Tables
from rote.papers.chain.plan import COMPARED, FACT, VARIANTS

networks_exchanged = nulls.exchanged("networks", "variant", "loss", "none")
early_exchanged = nulls.exchanged("networks", "variant", "early", "none")
losses_exchanged = nulls.exchanged("networks", "variant", "early", "loss")
pruned_and_unpruned_exchanged = nulls.exchanged("accuracy", "variant", "loss", "none")
choice_exchanged = nulls.exchanged("accuracy", "variant", "loss", "flat")
flattening_exchanged = nulls.exchanged("accuracy", "variant", "flat", "random")
correlations_exchanged = nulls.exchanged("spearman", "variant", "none", "loss")
kinds_exchanged = nulls.exchanged("spearman", "kind", FACT, COMPARED)
_CELL = ["world", "variant", "replicate"]
memory_adds_nothing = nulls.copied("accuracy", "memory", "nothing", ["pruned"], [*_CELL, "bits"])


def ends_exchanged(tables: Tables) -> Tables:
    """The fewest and the most steps are exchanged in every second replicate."""
    networks = tables["networks"]
    few, many = networks["steps"].min(), networks["steps"].max()
    swapped = networks["steps"].replace({few: many, many: few})
    odd = networks["replicate"] % 2 == 1
    return nulls.replaced(
        tables, networks=networks.assign(steps=networks["steps"].where(~odd, swapped))
    )


def still_learning(tables: Tables, tolerance: float) -> Tables:
    """The last steps add one and a half times what counts as a plateau."""
    networks = tables["networks"]
    steps = networks["steps"]
    before = steps[steps < steps.max()].max()
    known = networks.loc[steps == before].set_index(["world", "width", "variant", "replicate"])
    keys = pd.MultiIndex.from_frame(networks[["world", "width", "variant", "replicate"]])
    grown = known["stored"].reindex(keys).to_numpy() * (1 + nulls.BEYOND * (tolerance - 1))
    stored = networks["stored"].where(steps < steps.max(), grown)
    return nulls.replaced(tables, networks=networks.assign(stored=stored))


def larger_exchanged(tables: Tables) -> Tables:
    """Networks with an int8 memory and larger ones are exchanged in every second replicate."""
    accuracy = tables["accuracy"]
    networks = tables["networks"]
    best = networks[networks["variant"] == "none"]
    best = best[best["parameters"] == best["parameters"].max()]
    best = best[best["steps"] == best["steps"].max()].set_index(["world", "replicate"])["facts"]
    compact = accuracy[(accuracy["bits"] == 8) & (accuracy["variant"] == "loss")]
    of_compact = compact.set_index(["world", "replicate"])["facts"]
    odd = (accuracy["bits"] == 8) & (accuracy["replicate"] % 2 == 1)
    facts = accuracy["facts"].where(~odd, _looked_up(accuracy, best))
    larger = networks["parameters"] == networks["parameters"].max()
    larger &= networks["replicate"] % 2 == 1
    of_networks = networks["facts"].where(~larger, _looked_up(networks, of_compact))
    return nulls.replaced(
        tables, accuracy=accuracy.assign(facts=facts), networks=networks.assign(facts=of_networks)
    )


def _looked_up(rows: pd.DataFrame, values: pd.Series) -> pd.Series:
    """Values by world and replicate, for every row."""
    keys = pd.MultiIndex.from_frame(rows[["world", "replicate"]])
    unique = values[~values.index.duplicated()]
    return pd.Series(unique.reindex(keys).to_numpy(), index=rows.index)


def words_know_nothing(tables: Tables, rng: np.random.Generator) -> Tables:
    """Words alone answer by chance."""
    rows = tables["lookups"]
    return nulls.replaced(tables, lookups=rows.assign(facts=0.01 * rng.random(len(rows))))


def memory_harms_rules(tables: Tables, tolerance: float) -> Tables:
    """With a memory a network loses one and a half times as many items as tolerated."""
    rules = tables["rules"]
    lost = nulls.BEYOND * tolerance * (rules["memory"] != "nothing")
    return nulls.replaced(tables, rules=rules.assign(accuracy=rules["accuracy"] - lost))


def memory_speaks_up(tables: Tables, tolerance: float) -> Tables:
    """Other text loses one and a half times as much to a memory as tolerated."""
    accuracy = tables["accuracy"]
    alone = accuracy[accuracy["memory"] == "nothing"].set_index(_CELL)["other_loss"]
    of_network = alone.reindex(pd.MultiIndex.from_frame(accuracy[_CELL])).to_numpy()
    more = of_network * (1 + nulls.BEYOND * (tolerance - 1))
    losses = accuracy["other_loss"].where(accuracy["memory"] == "nothing", more)
    return nulls.replaced(tables, accuracy=accuracy.assign(other_loss=losses))


# ---- networks that have learnt nothing


def networks_untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """No network knows a fact; memories answer as they do."""
    return _untrained(tables, list(VARIANTS), rng)


def unpruned_untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks on the unpruned corpus know nothing; memories answer as they do."""
    return _untrained(tables, ["none"], rng)


def pruned_untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks on corpora pruned by loss know nothing; memories answer as they do."""
    return _untrained(tables, ["loss", "early"], rng)


def controls_untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks on the corpora of random facts know nothing."""
    return _untrained(tables, ["random", "flat"], rng)


def nothing_known(tables: Tables, rng: np.random.Generator) -> Tables:
    """Neither networks nor memories know a fact."""
    return _untrained(tables, list(VARIANTS), rng, with_memories=True)


def _untrained(
    tables: Tables, variants: list[str], rng: np.random.Generator, with_memories: bool = False
) -> Tables:
    """Tables in which networks on some corpora answer at random.

    Args:
        tables: of a run, by name.
        variants: names of the corpora.
        rng: of the answers.
        with_memories: whether with a memory, too.
    """
    frames = {}
    answers = {"accuracy": ["facts", "pruned_facts"], "networks": ["facts", "phrases"]}
    for name, columns in answers.items():
        table = tables[name]
        changed = table["variant"].isin(variants)
        if "memory" in table and not with_memories:
            changed = changed & (table["memory"] == "nothing")
        draws = {column: 0.01 * rng.random(len(table)) for column in columns}
        values = {column: table[column].mask(changed, draws[column]) for column in columns}
        frames[name] = table.assign(**values)
    rows = tables["spearman"]
    changed = rows["variant"].isin(variants)
    rho = rows["rho"].mask(changed, 0.2 * (rng.random(len(rows)) - 0.5))
    return nulls.replaced(tables, **frames, spearman=rows.assign(rho=rho))
