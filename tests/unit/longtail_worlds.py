"""Small worlds made by hand for long-tail composition, and what the ledger says of them."""

from itertools import product

import numpy as np
import pandas as pd
from conftest import ROOT
from rote import ledger as ledgers

CLAIMS = {claim.id: claim for claim in ledgers.load(ROOT / "workflow/claims/longtail.yaml")}
REPLICATES = range(8)
RNG = np.random.default_rng(0)


def verdict(name, tables) -> str:
    ledger = ledgers.evaluate([CLAIMS[f"longtail.{name}"]], tables)
    return ledgers.summary(ledger)["verdict"].item()


def scattered(value) -> float:
    """A positive value with 5 % scatter."""
    return value * np.exp(0.05 * RNG.normal())


def network_world(losses):
    """(architecture, training set, decay, evaluation set, n_9) -> mean loss."""
    names = ["architecture", "training_set", "weight_decay", "evaluation_set", "nines"]
    rows = [
        dict(zip(names, key, strict=True)) | {"replicate": r, "mse": scattered(loss)}
        for (key, loss), r in product(losses.items(), REPLICATES)
    ]
    return {"network": pd.DataFrame(rows)}


def chosen(architecture, decay=3.0):
    """The decay that training losses choose; None if they choose none."""
    row = {"architecture": architecture, "weight_decay": decay or 3.0, "chosen": decay is not None}
    return {"decays": pd.DataFrame([row])}
