"""Data sets of facts: making them, and reading them back from their table."""

import numpy as np
import pandas as pd

from rote.core import tables
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.papers.cramless import schema
from rote.papers.cramless.arms import FactDataSet, data_sets
from rote.papers.cramless.settings import CramlessFacts
from rote.synth import facts as synth


def synthesize(options: CramlessFacts, seed: int) -> pd.DataFrame:
    """Every data set and replicate: the table FactSetRows."""
    parts = []
    for data in data_sets(options):
        for replicate in range(options.replicates):
            facts = make(options, data, replicate, seed)
            rows = range(len(facts.keys))
            columns = {
                "data": data.name,
                "replicate": replicate,
                "fact": rows,
                "key": [synth.key_text(facts, row) for row in rows],
                "value": [synth.value_text(facts, row) for row in rows],
                "tokens": list(facts.tokens),
                "frequency": facts.frequencies,
                "count": facts.counts,
                "bits": facts.bits,
            }
            parts.append(tables.frame(schema.FactSetRows, columns))
    return pd.concat(parts, ignore_index=True)


def information(facts: pd.DataFrame) -> dict[str, float]:
    """Bits of the facts that occur, by data set, mean over replicates; of the table FactSetRows."""
    present = facts[facts["count"] > 0]
    bits = present.groupby("data")["bits"].sum() / facts["replicate"].nunique()
    return {str(name): float(value) for name, value in bits.items()}


def make(options: CramlessFacts, data: FactDataSet, replicate: int, seed: int) -> synth.FactSet:
    """One replicate of a data set.

    Args:
        options: symbols and tokens of keys and values.
        data: which data set.
        replicate: number of its random stream.
        seed: of the run.
    """
    form = synth.FactForm(
        key_symbols=options.key_symbols,
        key_tokens=options.key_tokens,
        value_symbols=options.value_symbols,
        value_tokens=options.value_tokens,
    )
    rng = generator(seed, "cramless", "facts", data.name, replicate)
    return synth.make(data.facts, rng, form, exponent=data.exponent, copies=data.copies)


def read(options: CramlessFacts, facts: pd.DataFrame, data: FactDataSet) -> list[synth.FactSet]:
    """The replicates of a data set from the table FactSetRows.

    Raises:
        InputError: if the table does not hold the data set.
    """
    rows = facts[facts["data"] == data.name]
    if rows.empty:
        names = ", ".join(facts["data"].unique())
        raise InputError(f"the facts hold no data set {data.name!r}, but {names}")
    replicates = []
    for _, group in rows.groupby("replicate"):
        ordered = group.sort_values("fact")
        tokens = np.stack(ordered["tokens"].to_numpy())
        replicates.append(
            synth.FactSet(
                keys=tokens[:, : options.key_tokens],
                values=tokens[:, options.key_tokens :],
                frequencies=ordered["frequency"].to_numpy(),
                counts=ordered["count"].to_numpy(),
                key_symbols=options.key_symbols,
                value_symbols=options.value_symbols,
            )
        )
    return replicates
