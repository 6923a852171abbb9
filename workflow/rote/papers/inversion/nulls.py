"""Nulls of the claims: how the tables look where a claim is false."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.ledger import nulls
from rote.ledger.nulls import (
    BEYOND,
    Null,
    Tables,
    copied,
    exchanged_columns,
    moved,
    replaced,
    shuffled,
)
from rote.papers.inversion.library import EXAMPLE, TRUE_EXAMPLE
from rote.papers.inversion.statistics.posteriors import top_examples

# ---- stylized problems


def _quantity(tables: Tables, name: str) -> tuple[pd.DataFrame, pd.Series]:
    """A copy of the table of measures, and which of its rows hold a quantity."""
    frame = tables["stylized"].copy()
    return frame, frame["quantity"] == name


def _at_width(frame: pd.DataFrame, rows: pd.Series, largest: bool) -> pd.Series:
    """Each row's value at its problem's largest or smallest width."""
    ordered = frame[rows].sort_values("sigma", ascending=not largest)
    return frame.loc[rows, "problem"].map(ordered.groupby("problem")["value"].first())


def _quantity_off(names: list[str], says: str) -> Null:
    """A null in which quantities are larger by one and a half times the tolerance."""

    def null(tables: Tables, tolerance: float) -> Tables:
        frame = tables["stylized"]
        rows = frame["quantity"].isin(names)
        return replaced(
            tables, stylized=frame.assign(value=frame["value"] + BEYOND * tolerance * rows)
        )

    null.__doc__ = f"{says} by {BEYOND:g} times the tolerance (stylized)."
    return null


transport_off = _quantity_off(["transport"], "The exact posterior is farther from the lookup")
weights_off = _quantity_off([f"weight_{n}" for n in range(5)], "The lookup's weights are larger")


def transport_stays(tables: Tables) -> Tables:
    """The exact posterior stays as far from the lookup as at the largest width (stylized)."""
    frame, rows = _quantity(tables, "transport")
    sigma = frame.loc[rows, "sigma"]
    frame.loc[rows, "value"] = _at_width(frame, rows, largest=True) * sigma.max() / sigma
    return replaced(tables, stylized=frame)


def weights_equal(tables: Tables) -> Tables:
    """All five examples have the same weight, whatever the data (stylized)."""
    frame = tables["stylized"].copy()
    frame.loc[frame["quantity"].str.startswith("weight_"), "value"] = 0.2
    return replaced(tables, stylized=frame)


def mixture_stays_off(tables: Tables) -> Tables:
    """The mixture is as far off at every width as at the largest (stylized)."""
    frame, rows = _quantity(tables, "distance")
    frame.loc[rows, "value"] = _at_width(frame, rows, largest=True)
    return replaced(tables, stylized=frame)


def shift_stays_off(tables: Tables) -> Tables:
    """The predicted shift is as far off at every width as at the largest (stylized)."""
    frame, rows = _quantity(tables, "shift_error")
    frame.loc[rows, "value"] = _at_width(frame, rows, largest=True)
    return replaced(tables, stylized=frame)


def determinant_cancels(tables: Tables) -> Tables:
    """Weights without determinants are as good as those with them (stylized)."""
    frame, rows = _quantity(tables, "distance_without_determinant")
    key = ["problem", "sigma"]
    with_it = frame[frame["quantity"] == "distance"].set_index(key)["value"]
    frame.loc[rows, "value"] = with_it.loc[pd.MultiIndex.from_frame(frame.loc[rows, key])].array
    return replaced(tables, stylized=frame)


def mean_stays(tables: Tables) -> Tables:
    """The posterior mean is as far from the truth at every width as at the largest (stylized)."""
    frame, rows = _quantity(tables, "mean_distance")
    frame.loc[rows, "value"] = _at_width(frame, rows, largest=True)
    return replaced(tables, stylized=frame)


def quadrature_off(tables: Tables, tolerance: float) -> Tables:
    """Moments by quadrature are larger by one and a half times the tolerance (sampling)."""
    frame = tables["sampling"]
    added = BEYOND * tolerance * (frame["method"] == "grid")
    moments = {name: frame[name] + added for name in ("mean", "variance")}
    return replaced(tables, sampling=frame.assign(**moments))


chains_apart = moved("sampling", "split_r", by=0.015)
critical_too_wide = moved("components", "critical", times=3)


def components_stuck(tables: Tables) -> Tables:
    """As many components are effective at every width as at the smallest (components)."""
    frame = tables["components"].sort_values(["examples", "sigma"])
    smallest = frame.groupby("examples")["effective"].transform("first")
    return replaced(tables, components=frame.assign(effective=smallest))


def components_shared(tables: Tables) -> Tables:
    """All components are effective at every width (components)."""
    frame = tables["components"]
    return replaced(tables, components=frame.assign(effective=frame["examples"].astype(float)))


# ---- operators


def _instead(tables: Tables, check: str, values: Mapping[str, float]) -> Tables:
    """Tables in which a check has other values, by condition."""
    frame = tables["operators"]
    others = frame["condition"].map(values)
    return replaced(
        tables, operators=frame.assign(value=others.where(frame["check"] == check, frame["value"]))
    )


def layers_halved(tables: Tables) -> Tables:
    """Absorbing layers have half as many cells (operators)."""
    from rote.papers.inversion import operators  # torch, which no other null needs

    return _instead(tables, "layers", operators.halved_layers())


def one_slower(tables: Tables) -> Tables:
    """Velocities of one propagator are 0.01 % lower than the other's (operators)."""
    from rote.papers.inversion import operators

    return _instead(tables, "propagators", operators.slower())


def first_order(tables: Tables) -> Tables:
    """The error falls half as much when the spacing is halved (operators)."""
    frame = tables["operators"]
    halved = frame["value"].where(frame["check"] != "order", frame["value"] / 2)
    return replaced(tables, operators=frame.assign(value=halved))


# ---- rates of models that nothing memorized


def published_as_strict(tables: Tables) -> Tables:
    """The published ratio calls as few draws memorized as the strict one (rates)."""
    frame = tables["rates"]
    return replaced(tables, rates=frame.assign(ratio_rate=frame["pair_rate"]))


def rates_without_trend(tables: Tables) -> Tables:
    """The published rate is at every N that of the smallest (rates)."""
    frame = tables["rates"].sort_values(["replicate", "set", "examples"])
    smallest = frame.groupby(["replicate", "set"])["ratio_rate"].transform("first")
    return replaced(tables, rates=frame.assign(ratio_rate=smallest))


ratios_exchanged = exchanged_columns("rates", "ratio_rate", "pair_rate")

# ---- the linearized posterior


def weight_shared(tables: Tables) -> Tables:
    """Two examples share the weight of the lookup (linearized)."""
    frame = tables["linearized"]
    return replaced(tables, linearized=frame.assign(weight=frame["weight"] / 2))


def _widths_copied(tables: Tables, source: float, target: float) -> Tables:
    """The linearized posterior of one width with the values of another one."""
    null = copied("linearized", "sigma", source, [target], ["replicate"])
    return nulls.apply(null, tables, np.random.default_rng(0))


def lookup_fits(tables: Tables) -> Tables:
    """The lookup's example fits as well as the posterior of the largest width (linearized)."""
    return _widths_copied(tables, tables["linearized"]["sigma"].max(), 0.0)


def narrow_as_wide(tables: Tables) -> Tables:
    """Components of width 0.01 are as those of width 0.1 (linearized)."""
    return _widths_copied(tables, 0.1, 0.01)


def wide_as_narrow(tables: Tables) -> Tables:
    """Components of width 0.1 are as those of width 0.01 (linearized)."""
    return _widths_copied(tables, 0.01, 0.1)


# ---- noise schedules

published_ends_in_noise = copied(
    "schedules", "schedule", "zero_snr", ["paper"], ["replicate", "quantity"]
)
none_ends_in_noise = copied(
    "schedules", "schedule", "paper", ["zero_snr"], ["replicate", "quantity"]
)

# ---- trained priors


RATES = ["pair_rate", "calibrated_rate", "ratio_rate"]
LOSSES = ["train_loss", "held_out_loss"]
sizes_shuffled = shuffled("networks", RATES + LOSSES, ["prior", "steps", "replicate"])
sizes_shuffled.__doc__ = "The numbers of models are permuted within each replicate (networks)."


def durations_exchanged(tables: Tables) -> Tables:
    """In every second replicate long and brief trainings are exchanged (networks)."""
    frame = tables["networks"]
    clean = frame["prior"] == "clean"
    steps = frame.loc[clean, "steps"]
    opposite = steps.min() + steps.max() - frame["steps"]
    return replaced(
        tables, networks=frame.assign(steps=opposite.where(clean & _second(frame), frame["steps"]))
    )


predictions_exchanged = nulls.exchanged("networks", "prior", "clean", "noise")
losses_exchanged = exchanged_columns("networks", "train_loss", "held_out_loss")


def untrained(tables: Tables, rng: np.random.Generator) -> Tables:
    """Samples of networks are like nothing, and their losses on all models alike (networks)."""
    frame = tables["networks"].copy()
    rows = frame["prior"].isin(["clean", "noise"])
    frame.loc[rows, RATES] = 0.0
    losses = frame.loc[rows, "train_loss"]
    frame.loc[rows, "held_out_loss"] = losses * rng.normal(1, 0.02, len(losses))
    return replaced(tables, networks=frame)


def _second(frame: pd.DataFrame) -> np.ndarray:
    """Whether a row belongs to the second, fourth, ... replicate."""
    return np.unique(frame["replicate"], return_inverse=True)[1] % 2 == 1


def _scored_as(tables: Tables, prior: str, source: str) -> Tables:
    """Samples of one prior with the rates of another's at the same N, trained in full."""
    frame = tables["networks"]
    key = ["examples", "replicate"]
    model = frame[frame["prior"] == source].sort_values("steps").groupby(key)[RATES].last()
    rows = frame["prior"] == prior
    values = model.reindex(pd.MultiIndex.from_frame(frame.loc[rows, key]))
    frame = frame.copy()
    frame.loc[rows, RATES] = values.to_numpy()
    return replaced(tables, networks=frame)


def clean_as_gaussian(tables: Tables) -> Tables:
    """Networks that predict the clean point are scored as the Gaussian prior (networks)."""
    return _scored_as(tables, "clean", "gaussian")


def gaussian_as_clean(tables: Tables) -> Tables:
    """The Gaussian prior is scored as the networks that predict the clean point (networks)."""
    return _scored_as(tables, "gaussian", "clean")


def noise_at_optimum(tables: Tables) -> Tables:
    """Networks that predict noise have the losses of the optimum at their N (networks)."""
    frame = tables["networks"].copy()
    key = ["examples", "replicate"]
    optimum = frame[frame["prior"] == "memorized"].set_index(key)[LOSSES]
    index = pd.MultiIndex.from_frame(frame[key])
    rows = (frame["prior"] == "noise").to_numpy() & index.isin(optimum.index)
    frame.loc[rows, LOSSES] = optimum.loc[index[rows]].to_numpy()
    return replaced(tables, networks=frame)


def noise_unlike_data(tables: Tables) -> Tables:
    """Samples of networks that predict noise are like no training model: rate 0 (networks)."""
    frame = tables["networks"]
    zero = frame["ratio_rate"].where(frame["prior"] != "noise", 0.0)
    return replaced(tables, networks=frame.assign(ratio_rate=zero))


# ---- posterior samples

UNGUIDED = ("lookup", "laplace", "rml")  # samples without diffusion


def sampler_of_noise(tables: Tables, rng: np.random.Generator) -> Tables:
    """Samples under every prior are noise: as far from all models, and from the data."""
    changed = {}
    if "scores" in tables:
        frame = tables["scores"]
        nearest = rng.integers(0, frame["reference_examples"].to_numpy())
        changed["scores"] = frame.assign(ratio=0.95, pair_ratio=0.95, nearest=nearest)
    if "samples" in tables:
        frame = tables["samples"]
        guided = ~frame["prior"].isin(UNGUIDED)
        noise = {
            name: frame[name].where(~guided, rng.normal(mean, mean / 50, len(frame)))
            for name, mean in (("misfit", 50.0), ("error", 0.1))
        }
        changed["samples"] = frame.assign(**noise)
    return replaced(tables, **changed)


def memorized_as_gaussian(tables: Tables) -> Tables:
    """Posterior samples under priors that memorize are those under the Gaussian one (scores)."""
    frame = tables["scores"]
    key = ["truth", "step", "replicate", "sample", "reference_examples"]
    values = ["ratio", "pair_ratio", "nearest"]
    model = frame[frame["prior"] == "gaussian"].groupby(key)[values].first()
    index = pd.MultiIndex.from_frame(frame[key])
    rows = frame["prior"].isin(["memorized", "clean"]).to_numpy() & index.isin(model.index)
    frame = frame.copy()
    frame.loc[rows, values] = model.loc[index[rows]].to_numpy()
    return replaced(tables, scores=frame)


def models_exchanged(tables: Tables) -> Tables:
    """In every second replicate networks of fewest and of most models are exchanged (samples)."""
    frame = tables["samples"]
    trained = frame["prior"].isin(["clean", "noise"])
    sizes = frame.loc[trained, "examples"]
    ends = {sizes.min(): sizes.max(), sizes.max(): sizes.min()}
    opposite = frame["examples"].map(lambda size: ends.get(size, size))
    exchanged = opposite.where(trained & _second(frame), frame["examples"])
    return replaced(tables, samples=frame.assign(examples=exchanged))


def samples_close(tables: Tables) -> Tables:
    """Guided samples lie at a twentieth of their distance from their mean (samples)."""
    frame = tables["samples"].copy()
    key = ["prior", "examples", "truth", "step", "replicate"]
    shrunk = pd.Series(index=frame.index, dtype=object)
    for (prior, *_), rows in frame.groupby(key):
        z = np.stack(rows["coordinates"].to_list())
        share = 1.0 if prior in UNGUIDED else 0.05
        shrunk.loc[rows.index] = list(z.mean(0) + share * (z - z.mean(0)))
    return replaced(tables, samples=frame.assign(coordinates=shrunk))


def samples_apart(tables: Tables) -> Tables:
    """Guided samples lie far on both sides of all models, in turn (samples)."""
    frame = tables["samples"].copy()
    key = ["prior", "examples", "truth", "step", "replicate"]
    spread = pd.Series(index=frame.index, dtype=object)
    for (prior, *_), rows in frame.groupby(key):
        z = np.stack(rows["coordinates"].to_list())
        distance = 0.0 if prior in UNGUIDED else 100.0
        signs = np.where(np.arange(len(z)) % 2, 1.0, -1.0)[:, None]
        spread.loc[rows.index] = list(z + distance * signs)
    return replaced(tables, samples=frame.assign(coordinates=spread))


def broad_as_memorized(tables: Tables) -> Tables:
    """Samples under priors that saw no example fit as those under the memorized one (samples)."""
    frame = tables["samples"]
    key = ["truth", "step", "replicate"]
    memorized = frame[frame["prior"] == "memorized"]
    memorized = memorized[memorized["examples"] == memorized["examples"].min()]
    model = memorized.groupby(key)["misfit"].median()
    rows = frame["prior"].isin(["gaussian", "broad"])
    frame = frame.copy()
    index = pd.MultiIndex.from_frame(frame.loc[rows, key])
    frame.loc[rows, "misfit"] = model.reindex(index).to_numpy()
    return replaced(tables, samples=frame)


def samples_on_lookup(tables: Tables) -> Tables:
    """Samples under the memorized prior are the example of the lookup (scores)."""
    frame = tables["scores"].copy()
    for truth in frame["truth"].unique():
        example = top_examples(tables["lookups"], truth)
        rows = (frame["prior"] == "memorized") & (frame["truth"] == truth)
        frame.loc[rows, "nearest"] = frame.loc[rows, "replicate"].map(example)
    return replaced(tables, scores=frame)


def step_changes_nothing(tables: Tables) -> Tables:
    """Samples are the same with every data step (scores)."""
    frame = tables["scores"].sort_values("step")
    key = ["prior", "examples", "truth", "replicate", "sample", "reference_examples"]
    return replaced(
        tables, scores=frame.assign(nearest=frame.groupby(key)["nearest"].transform("first"))
    )


def truth_missed(tables: Tables) -> Tables:
    """Samples land on the example after the true one (scores)."""
    frame = tables["scores"]
    missed = (frame["truth"] == EXAMPLE) & (frame["nearest"] == TRUE_EXAMPLE)
    return replaced(
        tables, scores=frame.assign(nearest=frame["nearest"].where(~missed, TRUE_EXAMPLE + 1))
    )


def reference_changes_nothing(tables: Tables) -> Tables:
    """A sample's ratio is the same against few models and many (scores)."""
    frame = tables["scores"].sort_values("reference_examples")
    key = ["prior", "examples", "truth", "step", "replicate", "sample"]
    return replaced(
        tables, scores=frame.assign(ratio=frame.groupby(key)["ratio"].transform("first"))
    )


def noise_samples_far(tables: Tables) -> Tables:
    """Posterior samples of networks that predict noise are equally far from all models (scores)."""
    frame = tables["scores"]
    far = frame["ratio"].where(frame["prior"] != "noise", 1.0)
    return replaced(tables, scores=frame.assign(ratio=far))


# ---- time domain

layered_exchanged = nulls.exchanged("time_domain", "prior", "memorized", "broad")


def layered_noise(tables: Tables, rng: np.random.Generator) -> Tables:
    """Samples under both priors are noise: as far from all models, and from the data."""
    frame = tables["time_domain"]
    size = len(frame)
    noise = {
        "pair_ratio": rng.uniform(0.9, 1, size),
        "misfit": rng.normal(50, 1, size),
        "error": rng.normal(0.1, 0.002, size),
    }
    return replaced(tables, time_domain=frame.assign(**noise))
