"""How the tables look if a claim of the chain is false."""

import numpy as np
import pandas as pd

from rote.ledger import nulls
from rote.ledger.nulls import Tables
from rote.papers.chain.plan import BY_LOSS
from rote.papers.chain.results import cell
from rote.papers.chain.statistics import FACT, LEARNT_RULE, PRUNED_AND_MEMORY, UNPRUNED_AND_RANDOM

KEYS = ("world", "replicate")
TOLERANCE = 0.06  # within which choice by loss and at random are the same
KEPT_ACCURACY = 0.95  # of its accuracy on rules that a network with a harmful memory keeps

pruned_and_unpruned_exchanged = nulls.exchanged("accuracy", "variant", "loss", "none")
loss_and_random_exchanged = nulls.exchanged("accuracy", "variant", "loss", "random")
correlations_exchanged = nulls.exchanged("spearman", "variant", "none", "loss")
memory_adds_nothing = nulls.copied(
    "accuracy", "memory", "nothing", ["pruned"], ["world", "variant", "replicate"]
)


def choice_by_loss_matters(tables: Tables) -> Tables:
    """Networks on facts chosen by loss know 0.06 more than they do."""
    networks = tables["networks"]
    gain = TOLERANCE * (networks["variant"] == BY_LOSS.name)
    return nulls.replaced(tables, networks=networks.assign(facts=networks["facts"] + gain))


def memory_harms_rules(tables: Tables) -> Tables:
    """With a memory a network translates 0.95 as many phrases as it does."""
    rules = tables["rules"]
    harmed = (rules["memory"] != "nothing") & (rules["rule"] == LEARNT_RULE)
    accuracy = rules["accuracy"] * np.where(harmed, KEPT_ACCURACY, 1.0)
    return nulls.replaced(tables, rules=rules.assign(accuracy=accuracy))


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
