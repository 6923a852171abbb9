"""What the claims about the network and kernel tracks measure (labels N1 to N9, K1 to K5)."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from rote.ledger import Sample, ratio
from rote.papers.longtail.settings import COMPOSITIONAL

Tables = Mapping[str, pd.DataFrame]


def composed_loss(tables: Tables) -> dict[str, Sample]:
    """N1: loss on pairs of glyphs without decay, compositional networks."""
    return {
        name: Sample(_glyphs(tables, name, "gl2_any", 0.0))
        for name in _architectures(tables)
        if name in COMPOSITIONAL and name != "two-layer"
    }


def composed_loss_two_layer(tables: Tables) -> dict[str, Sample]:
    """N1 for the two-layer head."""
    if "two-layer" not in _architectures(tables):
        return {}
    return {"two-layer": Sample(_glyphs(tables, "two-layer", "gl2_any", 0.0))}


def monolithic_ratio(tables: Tables) -> dict[str, Sample]:
    """N2: loss on glyph pairs, monolithic over sum, without decay."""
    bottom = _glyphs(tables, "sum", "gl2_any", 0.0)
    return {
        f"{name}/sum": Sample(np.stack([_glyphs(tables, name, "gl2_any", 0.0), bottom], 1), ratio)
        for name in _architectures(tables)
        if name not in COMPOSITIONAL
    }


def decay_ratio(tables: Tables) -> dict[str, Sample]:
    """N3: loss on glyph pairs, with decay over without, compositional networks."""
    return _decay_ratio(tables, compositional=True)


def decay_ratio_monolithic(tables: Tables) -> dict[str, Sample]:
    """N5: the same for monolithic networks."""
    return _decay_ratio(tables, compositional=False)


def decay_selectivity(tables: Tables) -> Sample:
    """N4: factor of the loss on glyph pairs over factor of the `id` loss, sum network."""
    decayed = _decayed(tables)
    columns = [
        _glyphs(tables, "sum", test, decay)
        for test, decay in (("gl2_any", decayed), ("gl2_any", 0.0), ("id", decayed), ("id", 0.0))
    ]
    return Sample(np.stack(columns, 1), lambda m: (m[..., 0] / m[..., 1]) / (m[..., 2] / m[..., 3]))


def rare_count_rank_correlation(tables: Tables) -> Sample:
    """N6: Spearman correlation of n_9 and the loss with two held-out 9s, sum network."""
    counts = sorted(_counts(tables))
    losses = np.stack([_nines(tables, "sum", count, "nine2") for count in counts], 1)
    ranks = losses.argsort(axis=1).argsort(axis=1)
    return Sample([np.corrcoef(np.arange(len(counts)), row)[0, 1] for row in ranks])


def rare_count_ratio(tables: Tables) -> dict[str, Sample]:
    """N6: loss with two held-out 9s, cross-channel over sum, n_9 ≥ 16."""
    return {
        f"n_9 = {count}": Sample(
            np.stack(
                [_nines(tables, name, count, "nine2") for name in ("cross-channel", "sum")], 1
            ),
            ratio,
        )
        for count in sorted(_counts(tables))
        if count >= 16
    }


def new_pairs_ratio(tables: Tables) -> Sample:
    """N7: loss on new pairs of two trained 9s at n_9 = 16, cross-channel over sum."""
    return Sample(
        np.stack([_nines(tables, name, 16, "seen9x2") for name in ("cross-channel", "sum")], 1),
        ratio,
    )


def left_out_rows(tables: Tables) -> Sample:
    """N8: loss on the ten glyph rows when they are left out of training, sum network."""
    return Sample(_network(tables, "sum", "no-glyphs", 0.0, "gl_train"))


def left_out_pairs(tables: Tables) -> Sample:
    """N8: loss on glyph pairs when the glyph rows are left out of training, sum network."""
    return Sample(_network(tables, "sum", "no-glyphs", 0.0, "gl2_any"))


def tail_companions_ratio(tables: Tables) -> Sample:
    """N9: loss on glyph pairs, tail companions over head companions, sum network, no decay."""
    return Sample(
        np.stack(
            [_network(tables, "sum", f"glyphs-{c}", 0.0, "gl2_any") for c in ("tail", "head")], 1
        ),
        ratio,
    )


def tail_companions_train(tables: Tables) -> Sample:
    """N9: loss on the training rows of glyphs beside tail companions."""
    return Sample(_network(tables, "sum", "glyphs-tail", 0.0, "gl_train"))


# ---- kernel track
# ------------------------------------------------------------------------------------------------


def kernel_shared_memorized(tables: Tables) -> Sample:
    """K1: loss on glyph pairs, shared kernel, λ → 0."""
    return Sample(_kernel(tables, "shared", low=True))


def kernel_shared_ridge(tables: Tables) -> Sample:
    """K1: loss on glyph pairs, shared kernel, ridge."""
    return Sample(_kernel(tables, "shared", low=False))


def kernel_mono(tables: Tables) -> dict[str, Sample]:
    """K1: loss on glyph pairs, monolithic kernel, both penalties."""
    return {
        name: Sample(_kernel(tables, "mono", low=low))
        for name, low in (("memorized", True), ("ridge", False))
    }


def kernel_selectivity(tables: Tables) -> Sample:
    """K2: factor of the loss on glyph pairs over factor of the `id` loss."""
    columns = [
        _kernel(tables, "shared", low=low, test=test)
        for test in ("gl2_any", "id")
        for low in (False, True)
    ]
    return Sample(np.stack(columns, 1), lambda m: (m[..., 0] / m[..., 1]) / (m[..., 2] / m[..., 3]))


def kernel_slot_trained(tables: Tables) -> Sample:
    """K3: slot-wise kernel on glyph pairs in their trained slots."""
    return Sample(_kernel(tables, "slot", low=True, test="gl2_same"))


def kernel_slot_elsewhere(tables: Tables) -> Sample:
    """K3: slot-wise kernel on glyph pairs in any slots."""
    return Sample(_kernel(tables, "slot", low=True))


def kernel_mixture_increase(tables: Tables) -> Sample:
    """K4: the smallest rise of the loss on glyph pairs between neighboring ρ."""
    table = tables["kernel"]
    table = table[(table["kernel"] == "mixture") & (table["evaluated"] == "gl2_any")]
    wide = table.pivot(index="replicate", columns="rho", values="mse")
    return Sample(wide, lambda means: np.diff(means, axis=-1).min(axis=-1))


def kernel_mixture_memorized(tables: Tables) -> Sample:
    """K4: smallest mean H_jj of the glyph rows over all mixtures."""
    table = tables["kernel"]
    table = table[table["kernel"] == "mixture"]
    return Sample(table.groupby("replicate")["hat_rare"].min())


def kernel_companions_ratio(tables: Tables) -> Sample:
    """K5: loss on glyph pairs, tail companions over head companions."""
    columns = [_kernel(tables, "shared", low=True, dataset=f"glyphs-{c}") for c in ("tail", "head")]
    return Sample(np.stack(columns, 1), ratio)


# ---- selections ----


def _architectures(tables: Tables) -> list[str]:
    return list(tables["network"]["architecture"].unique())


def _decayed(tables: Tables) -> float:
    """The weight decay called 'not memorized': the one that the rare-digit sweep of the sum network
    uses.
    """
    table = tables["network"]
    return float(table.loc[table["dataset"].str.startswith("nines-"), "weight_decay"].max())


def _network(
    tables: Tables, architecture: str, dataset: str, decay: float, evaluated: str
) -> np.ndarray:
    """Losses by replicate, (replicates,). Raises KeyError if no such network was trained or
    measured.
    """
    table = tables["network"]
    rows = table[
        (table["architecture"] == architecture)
        & (table["dataset"] == dataset)
        & (table["weight_decay"] == decay)
        & (table["evaluated"] == evaluated)
    ]
    if rows.empty:
        raise KeyError(
            f"network {architecture} on {dataset} with weight decay {decay:g}, measured on "
            f"{evaluated}"
        )
    return rows.sort_values("replicate")["mse"].to_numpy()


def _glyphs(tables: Tables, architecture: str, evaluated: str, decay: float) -> np.ndarray:
    return _network(tables, architecture, "glyphs-head", decay, evaluated)


def _nines(tables: Tables, architecture: str, count: int, evaluated: str) -> np.ndarray:
    return _network(tables, architecture, f"nines-{count}", 0.0, evaluated)


def _counts(tables: Tables) -> list[int]:
    names = tables["network"]["dataset"].unique()
    return [int(name.removeprefix("nines-")) for name in names if name.startswith("nines-")]


def _decay_ratio(tables: Tables, compositional: bool) -> dict[str, Sample]:
    decayed = _decayed(tables)
    return {
        name: Sample(
            np.stack([_glyphs(tables, name, "gl2_any", decay) for decay in (decayed, 0.0)], 1),
            ratio,
        )
        for name in _architectures(tables)
        if (name in COMPOSITIONAL) is compositional
    }


def _kernel(
    tables: Tables, kernel: str, *, low: bool, test: str = "gl2_any", dataset: str = "glyphs-head"
) -> np.ndarray:
    """Losses by replicate at the smaller or larger penalty that every kernel is fitted with,
    (replicates,).
    """
    table = tables["kernel"]
    penalties = table.loc[table["kernel"] == "mono", "lam"]
    rows = table[
        (table["kernel"] == kernel)
        & (table["lam"] == (penalties.min() if low else penalties.max()))
        & (table["evaluated"] == test)
        & (table["dataset"] == dataset)
    ]
    if rows.empty:
        raise KeyError(f"kernel {kernel} on {dataset}, measured on {test}")
    return rows.sort_values("replicate")["mse"].to_numpy()
