"""How the tables look if a claim is false."""

import numpy as np
import pandas as pd

from rote.ledger.nulls import (
    Tables,
    exchanged,
    exchanged_columns,
    replaced,
    shuffled,
)
from rote.papers.distmem import estimators, variants
from rote.papers.distmem.families import FAMILIES, LLAMA
from rote.papers.distmem.passages import COSINES, PRODUCTS
from rote.papers.distmem.statistics import memorization
from rote.papers.distmem.statistics.reading import ladder, largest, smallest
from rote.papers.distmem.tasks import FACTS, HEAD, KNOWN_STEPS, MIDDLE, REASONING, TAIL, TASKS
from rote.papers.distmem.treatments import ALL, REMOVED

_CORPUS = "source"  # column of the replicates
_MEASURED = ["rho", "distance"]
_SETTING = ["source", "model", "n", "variant", "parameter"]


_NOISE = 0.03  # standard deviation of a correlation that is none

# ---- networks


def knows_nothing(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks know nothing: their answers are wrong, and all that they correlate with is noise."""
    changed = {}
    for name, change in _IGNORANCE.items():
        if name in tables:
            changed[name] = change(tables[name], rng)
    return replaced(tables, **changed)


def _noisy(frame: pd.DataFrame, rng: np.random.Generator, **levels: float) -> pd.DataFrame:
    """A frame of which columns are noise around a level."""
    noise = {name: rng.normal(level, _NOISE, len(frame)) for name, level in levels.items()}
    return frame.assign(**noise)


def _untrained_influence(frame: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """Influence of which training changes nothing but noise."""
    keys = ["source", "model", "task", "example"]
    measured = [*PRODUCTS, *COSINES]
    initial = frame.loc[~frame["trained"], [*keys, *measured]]
    values = frame[keys].merge(initial, on=keys, how="left")[measured].to_numpy()
    noise = rng.normal(1, _NOISE, values.shape)
    return frame.assign(**dict(zip(measured, (values * noise).T, strict=True)))


_IGNORANCE = {
    "memorization": lambda frame, rng: _noisy(frame, rng, rho=0, distance=0.5),
    "performance": lambda frame, rng: frame.assign(correct=False),
    "novel": lambda frame, rng: frame.assign(right=0, novel_right=0),
    "influence": _untrained_influence,
    "estimators": lambda frame, rng: _noisy(frame, rng, rho=0, given_answer=0),
    "alternatives": lambda frame, rng: _noisy(frame, rng, rho=0),
    "ablation": lambda frame, rng: _noisy(frame, rng, logprob=-3),
    "prompts": lambda frame, rng: _noisy(frame, rng, accuracy=0.5),
}


def untrained(tables: Tables) -> Tables:
    """Trained networks correlate as they did before their training (memorization)."""
    frame = tables["memorization"]
    keys = [*_SETTING, "task"]
    initial = frame.loc[frame["snapshot"] == 0, [*keys, *_MEASURED]]
    is_final = (frame["snapshot"] == 1.0).to_numpy()
    return _with_values(tables, frame[keys].merge(initial, on=keys, how="left"), is_final)


def llama_untrained(tables: Tables) -> Tables:
    """LLaMA-type networks correlate as they did before their training (memorization)."""
    frame = tables["memorization"]
    keys = [*_SETTING, "task"]
    initial = frame.loc[frame["snapshot"] == 0, [*keys, *_MEASURED]]
    is_final = ((frame["snapshot"] == 1.0) & (frame["family"] == LLAMA.name)).to_numpy()
    return _with_values(tables, frame[keys].merge(initial, on=keys, how="left"), is_final)


def shuffled_counts(tables: Tables) -> Tables:
    """Networks follow the pair counts no more than counts shuffled within bins of frequency."""
    frame = tables["memorization"]
    keys = [name for name in _SETTING if name not in ("variant", "parameter")] + [
        "task",
        "snapshot",
    ]
    shuffled = frame.loc[frame["variant"] == variants.SHUFFLED.name, [*keys, *_MEASURED]]
    is_paper = (frame["variant"] == variants.PAPER.name).to_numpy()
    return _with_values(tables, frame[keys].merge(shuffled, on=keys, how="left"), is_paper)


def follows_pair_count(tables: Tables, rng: np.random.Generator) -> Tables:
    """Networks follow the plain pair count: given it, the ratio correlates with nothing."""
    frame = tables["memorization"]
    noise = rng.normal(0, _NOISE, len(frame))
    is_partial = frame["variant"] == variants.PARTIAL.name
    return replaced(tables, memorization=frame.assign(rho=frame["rho"].mask(is_partial, noise)))


def untrained_gradients(tables: Tables) -> Tables:
    """Networks before and after training are exchanged in every second corpus (influence)."""
    frame = tables["influence"].reset_index(drop=True)
    alternate = np.unique(frame["source"], return_inverse=True)[1] % 2 == 1
    return replaced(tables, influence=frame.assign(trained=frame["trained"] ^ alternate))


def same_size(tables: Tables) -> Tables:
    """The smallest and the largest network are exchanged in every second corpus."""
    for table in ("performance", "novel", "estimators"):
        if table in tables:
            tables = _exchanged_ends(tables, table)
    return tables


def correlated_alike(tables: Tables) -> Tables:
    """The smallest and the largest network's correlations are exchanged in every second corpus."""
    return _exchanged_ends(tables, "memorization")


def _exchanged_ends(tables: Tables, table: str) -> Tables:
    """A table in which the ends of each family's ladder are exchanged in every second corpus."""
    present = set(tables["memorization"]["family"])
    changed = tables
    for family in FAMILIES.values():
        if family.name in present:
            names = ladder(tables, family)
            changed = exchanged(table, "model", names[0], names[-1], _CORPUS)(changed)
    return changed


def writes_as_smallest(tables: Tables) -> Tables:
    """The largest network writes the new pairs of the smallest (novel)."""
    frame = tables["novel"]
    names = {smallest(tables): largest(tables)}
    others = frame[frame["model"] != largest(tables)]
    copies = frame[frame["model"] == smallest(tables)].replace({"model": names})
    return replaced(tables, novel=pd.concat([others, copies]))


def trained_at_once(tables: Tables) -> Tables:
    """First snapshot and end of the training are exchanged in every second corpus."""
    first = memorization.first_snapshot(tables)
    return exchanged("memorization", "snapshot", first, 1.0, _CORPUS)(tables)


# ---- tasks and n-grams


def as_facts(tables: Tables) -> Tables:
    """Every task correlates as facts do (memorization)."""
    frame = tables["memorization"]
    is_short = frame["n"] == frame["task"].map({task.name: task.n for task in TASKS.values()})
    keys = [name for name in _SETTING if name != "n"] + ["snapshot"]
    facts = frame.loc[is_short & (frame["task"] == FACTS.name), [*keys, *_MEASURED]]
    return _with_values(tables, frame[keys].merge(facts, on=keys, how="left"), is_short.to_numpy())


def _with_values(tables: Tables, values: pd.DataFrame, rows: np.ndarray) -> Tables:
    """The table of memorization with what is measured in some rows taken from another frame."""
    frame = tables["memorization"]
    changed = {name: np.where(rows, values[name], frame[name]) for name in _MEASURED}
    return replaced(tables, memorization=frame.assign(**changed))


any_steps = exchanged("memorization", "task", KNOWN_STEPS.name, REASONING.name, _CORPUS)
answers_any_steps = exchanged("performance", "task", KNOWN_STEPS.name, REASONING.name, _CORPUS)
facts_as_reasoning = exchanged("memorization", "task", FACTS.name, REASONING.name, _CORPUS)
facts_traced_as_reasoning = exchanged("influence", "task", FACTS.name, REASONING.name, _CORPUS)
any_length = exchanged("memorization", "n", *FACTS.lengths, _CORPUS)
any_model = exchanged(
    "memorization", "variant", variants.SHARED.name, variants.INFINITY.name, _CORPUS
)
head_as_middle = exchanged("memorization", "variant", HEAD.name, MIDDLE.name, _CORPUS)
middle_as_tail = exchanged("memorization", "variant", MIDDLE.name, TAIL.name, _CORPUS)
head_as_tail = exchanged("memorization", "variant", HEAD.name, TAIL.name, _CORPUS)

# ---- counts and answers

answers_shuffled = shuffled("performance", "correct", ["source", "model", "task"])
wordings_shuffled = shuffled("prompts", "mean_count", ["source", "model", "task"])


def unrelated_counts(tables: Tables, rng: np.random.Generator) -> Tables:
    """Task-gram probabilities have nothing to do with counts (bias)."""
    return replaced(tables, bias=_noisy(tables["bias"], rng, filtered=0, smoothed=0))


any_selection = exchanged_columns("bias", "filtered", "smoothed", _CORPUS)
any_smoothing = exchanged(
    "estimators",
    "estimator",
    estimators.TASK_GRAM.name,
    estimators.TASK_GRAM_SMOOTHED.name,
    _CORPUS,
)
any_estimate = shuffled("estimators", ["rho", "given_answer"], ["source", "model"])
any_alternative = shuffled("alternatives", "rho", ["source", "model", "task"])
answer_as_task_gram = exchanged(
    "estimators", "estimator", estimators.ANSWER.name, estimators.TASK_GRAM.name, _CORPUS
)

# ---- retrained networks

treatments_shuffled = shuffled("ablation", "treatment", ["source", "model", "variant", "block"])
doses_shuffled = shuffled(
    "ablation", ["documents_before", "documents_after"], ["source", "model", "variant", "treatment"]
)
removed_as_moved = exchanged("ablation", "treatment", REMOVED.name, ALL.name, _CORPUS)
