"""How the tables look if a claim of the chain is false."""

import numpy as np
import pandas as pd

from rote.ledger import nulls
from rote.ledger.nulls import Tables
from rote.papers.chain.plan import BY_LOSS
from rote.papers.chain.results import cell
from rote.papers.chain.statistics import FACT, LEARNT_RULE, PRUNED_AND_MEMORY, UNPRUNED_AND_RANDOM

KEYS = ("world", "replicate")

pruned_and_unpruned_exchanged = nulls.exchanged("accuracy", "variant", "loss", "none")
loss_and_random_exchanged = nulls.exchanged("accuracy", "variant", "loss", "random")
correlations_exchanged = nulls.exchanged("spearman", "variant", "none", "loss")
memory_adds_nothing = nulls.copied(
    "accuracy", "memory", "nothing", ["pruned"], ["world", "variant", "replicate"]
)


def choice_by_loss_matters(tables: Tables, tolerance: float) -> Tables:
    """Networks on facts chosen by loss know more than they do by 1.5 times the tolerance."""
    networks = tables["networks"]
    gain = nulls.BEYOND * tolerance * (networks["variant"] == BY_LOSS.name)
    return nulls.replaced(tables, networks=networks.assign(facts=networks["facts"] + gain))


def memory_harms_rules(tables: Tables, tolerance: float) -> Tables:
    """With a memory a network loses 1.5 times as many translations as tolerated."""
    rules = tables["rules"]
    harmed = (rules["memory"] != "nothing") & (rules["rule"] == LEARNT_RULE)
    lost = nulls.BEYOND * (1 - tolerance) * harmed
    return nulls.replaced(tables, rules=rules.assign(accuracy=rules["accuracy"] * (1 - lost)))


def memory_unused(tables: Tables) -> Tables:
    """With a memory a network answers as without one, facts and rules."""
    keys = ["world", "variant", "replicate"]
    facts = nulls.copied("accuracy", "memory", "nothing", ["pruned"], keys)
    rules = nulls.copied("rules", "memory", "nothing", ["pruned"], [*keys, "rule"])
    return rules(facts(tables))


# ---- networks that have learnt nothing

BITS_BY_CHANCE = 1.0  # that such a network stores of a corpus


def networks_untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """No network knows a fact or a rule; memories answer as they do."""
    return _untrained(tables, ["none", "random", "loss", "flat"], rng)


def unpruned_untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks on the unpruned corpus know nothing; memories answer as they do."""
    return _untrained(tables, ["none"], rng)


def random_untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks on the corpus pruned at random know nothing."""
    return _untrained(tables, ["random"], rng)


def pruned_untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks on the corpus pruned by loss know nothing; memories answer as they do."""
    return _untrained(tables, ["loss"], rng)


def nothing_known(tables: Tables, rng: np.random.Generator) -> Tables:
    """Neither networks nor memories know a fact or a rule."""
    return _untrained(tables, ["none", "random", "loss", "flat"], rng, with_memories=True)


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
    for name, columns in _ANSWERS.items():
        table = tables[name]
        changed = table["variant"].isin(variants)
        if "memory" in table and not with_memories:
            changed = changed & (table["memory"] == "nothing")
        values = {column: _chance(table[column], changed, column, rng) for column in columns}
        frames[name] = table.assign(**values)
    return nulls.replaced(tables, **frames)


# what networks answer, by table; a rank correlation scatters around 0
_ANSWERS = {
    "accuracy": ["facts", "pruned_facts", "recalled"],
    "networks": ["facts", "stored"],
    "rules": ["accuracy"],
    "spearman": ["rho"],
}


def _chance(
    values: pd.Series, changed: pd.Series, column: str, rng: np.random.Generator
) -> pd.Series:
    """A column, of which some rows are as by chance."""
    draws = rng.random(len(values))
    if column == "rho":
        return values.mask(changed, 0.2 * (draws - 0.5))
    scale = BITS_BY_CHANCE if column in ("recalled", "stored") else 0.01
    return values.mask(changed, scale * draws)


def labour_exchanged(tables: Tables) -> Tables:
    """Divided and undivided labour are exchanged in every second replicate (accuracy)."""
    accuracy = tables["accuracy"]
    divided = cell(accuracy, *PRUNED_AND_MEMORY)
    undivided = cell(accuracy, *UNPRUNED_AND_RANDOM)
    swapped = pd.concat(
        [
            accuracy.drop([*divided.index, *undivided.index]),
            _alternated(divided, undivided),
            _alternated(undivided, divided),
        ]
    )
    return nulls.replaced(tables, accuracy=swapped)


def _alternated(rows: pd.DataFrame, others: pd.DataFrame) -> pd.DataFrame:
    """Rows, of which every second replicate takes the results of the other arm."""
    names = rows.set_index(list(KEYS))[["variant", "memory"]]
    odd = rows["replicate"] % 2 == 1
    mixed = pd.concat([rows[~odd], others[others["replicate"] % 2 == 1]])
    return mixed.set_index(list(KEYS)).assign(**names.iloc[0]).reset_index()


def facts_and_rules_exchanged(tables: Tables) -> Tables:
    """Correlations of facts and of rules are exchanged in every second replicate."""
    rows = tables["spearman"].copy()
    arm = ["world", "width", "variant", "replicate"]
    is_fact = rows["kind"] == FACT
    of_facts = rows[is_fact].groupby(arm)["rho"].mean().rename("of_facts")
    of_rules = rows[~is_fact].groupby(arm)["rho"].mean().rename("of_rules")
    rows = rows.join(of_facts, on=arm).join(of_rules, on=arm)
    other = rows["of_rules"].where(is_fact, rows["of_facts"])
    rho = rows["rho"].where(rows["replicate"] % 2 == 0, other)
    return nulls.replaced(tables, spearman=tables["spearman"].assign(rho=rho))


def fitting_facts_pruned(tables: Tables) -> Tables:
    """Every second world loses one in ten of the facts that pruning by loss keeps."""
    facts = tables["facts"]
    lost = (facts["replicate"] % 2 == 1) & (facts["fact"] % 10 == 0)
    return nulls.replaced(
        tables, facts=facts.assign(count_loss=facts["count_loss"].where(~lost, 0))
    )


def nothing_pruned(tables: Tables) -> Tables:
    """Pruning by loss keeps every fact at any load."""
    facts = tables["facts"]
    return nulls.replaced(tables, facts=facts.assign(count_loss=facts["count"]))
