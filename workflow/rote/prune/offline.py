"""Choosing a data set from the losses of a trained model, whatever the examples are."""

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike

from rote.core import fields, reals
from rote.core.errors import InputError
from rote.core.registry import registered
from rote.prune.schemes import OFFLINE

KNOWN_LOSS = 0.5  # nats; below it an example counts as known
MIN_KNOWN_SHARE = 0.97  # share of known examples from which on all of them fit
_SHARE = fields.FieldRange("in (0, 1]", lambda value: 0 < value <= 1)
MAX_COPIES = 2.0**53  # of all examples: float64 counts no further
MAX_LISTED = 5  # examples that an error names


def select(
    losses: ArrayLike,
    keep: float,
    *,
    scheme: str,
    counts: ArrayLike | None = None,
    rng: np.random.Generator | None = None,
) -> np.ndarray:
    """How many copies of each example stay, (N,) int, between 0 and its count.

    * none: everything.
    * random: a random share `keep` of the examples, with all their copies.
    * loss: the share `keep` with the lowest loss, with all their copies: few examples.
    * loss-flat: the same examples, their copies capped at one number so that at most the share
      `keep` of all copies stays: few examples, and flatter frequencies.

    At least one example stays. Among equal losses chance decides.

    Args:
        losses: (N,) finite.
        keep: in (0, 1].
        scheme: one of `rote.prune.OFFLINE`.
        counts: (N,) copies ≥ 0, at most 2^53 in sum; None is one each. Examples without copies are
            never chosen.
        rng: for ties and random choices; None is a fixed stream.

    Raises:
        InputError: naming the argument, and the examples with a loss that is not finite.
    """
    rule = registered(OFFLINE, scheme, "scheme")
    losses, counts = _checked(losses, counts)
    keep = reals.number("keep", keep, _SHARE)
    rng = np.random.default_rng(0) if rng is None else rng
    fields.check_types({"rng": np.random.Generator}, {"rng": rng})
    if not rule.prunes:
        return counts
    tie_breaks = rng.random(len(losses))
    order = np.lexsort((tie_breaks, losses if rule.by_loss else np.zeros(len(losses))))
    order = order[counts[order] > 0]
    chosen = order[: max(1, round(keep * len(order)))]
    remaining = np.zeros_like(counts)
    remaining[chosen] = counts[chosen]
    if rule.flat:
        remaining = _capped(remaining, max(int(np.floor(keep * counts.sum())), len(chosen)))
    return remaining


def automatic(
    losses: ArrayLike, *, counts: ArrayLike | None = None, ignorance: ArrayLike | None = None
) -> int:
    """How many examples the model that has these losses can hold.

    Examples with a loss below 0.5 nats are known; each counts with the nats it takes. Of the others
    what the model surely stored counts, ignorance − loss summed: with their sign, or the positive
    ones less one nat per example, whichever is more, and nothing if both are negative. Guesses add
    to neither on average: their mean loss is at least the ignorance H (Gibbs), and since E exp(H −
    loss) ≤ 1 the mean of max(0, H − loss) is at most 1 (Markov), however confident they are. The
    number is what is stored over the ignorance. Where nearly all examples are known already (a
    share of 0.97), all of them fit.

    Args:
        losses: (N,) nats ≥ 0, finite.
        counts: (N,) copies; examples without copies do not count.
        ignorance: loss in nats of an example of which nothing is known, the entropy H of what is to
            be known, of all or (N,) of each; then the number is that of the examples of lowest loss
            whose entropies what is stored amounts to. None: unknown, so that what is stored of
            examples that are not known cannot be told from confident guesses, and only the known
            ones count.

    Returns:
        Between 1 and the number of examples with copies; guesses add to it by chance only.

    Raises:
        InputError: as `select`; for a negative loss.
    """
    losses, counts = _checked(losses, counts)
    entropies = None if ignorance is None else _entropies(ignorance, losses)[counts > 0]
    losses = losses[counts > 0]
    if losses.min() < 0:
        raise InputError(f"losses must be ≥ 0 nats, given {losses.min():g}")
    known = losses < KNOWN_LOSS
    if known.mean() >= MIN_KNOWN_SHARE or (entropies is not None and not entropies.any()):
        return len(losses)
    if entropies is None:
        return max(1, int(known.sum()))
    scale = max(1.0, float(entropies.max()))  # sums of the largest would overflow
    gains = (entropies - losses) / scale
    others = gains[~known]
    stored = gains[known].sum() + max(0, others.sum(), (others.clip(0) - 1 / scale).sum())
    taken = entropies[np.argsort(losses, kind="stable")] / scale
    # the last one counts if more than half of it is stored
    fitting = int((taken.cumsum() - taken / 2 < stored).sum())
    return max(1, fitting)


def _entropies(ignorance: ArrayLike, losses: np.ndarray) -> np.ndarray:
    """One entropy per example, (N,)."""
    given = reals.array("ignorance", ignorance)
    if given.shape not in ((), losses.shape):
        raise InputError(
            f"ignorance must be one number or of shape {losses.shape}, given {given.shape}"
        )
    if not (np.isfinite(given) & (given >= 0)).all():
        raise InputError("ignorance must be finite and ≥ 0")
    return np.broadcast_to(given, losses.shape)


def table(
    frame: pd.DataFrame,
    keep: float | None,
    *,
    scheme: str,
    seed: int = 0,
    where: str = "losses",
    each_once: bool = False,
) -> pd.DataFrame:
    """`select` for a table: its chosen rows, with the copies to use as `count`.

    Args:
        frame: columns id, loss and perhaps count and entropy, see `explained`; other columns stay.
        keep: share to keep; None lets `automatic` choose the number.
        scheme: as in `select`.
        seed: of ties and random choices.
        where: what the table is called in errors.
        each_once: one copy of every chosen row.

    Raises:
        InputError: as `explained`.
    """
    rows = explained(frame, keep, scheme=scheme, seed=seed, where=where, each_once=each_once)
    stays = rows["count"] > 0
    columns = [name for name in rows if name not in NOTES or name in frame]
    return rows.loc[stays, columns].reset_index(drop=True)


def with_chance(frame: pd.DataFrame, chance: float, where: str = "losses") -> pd.DataFrame:
    """A table with the column entropy: −ln(chance) of every row.

    Args:
        frame: without that column.
        chance: probability that a guess of a whole example is right, in (0, 1].
        where: what the table is called in errors.

    Raises:
        InputError: for a chance out of range, or a table that has the column.
    """
    fields.check_types({"frame": pd.DataFrame}, {"frame": frame})
    if "entropy" in frame:
        raise InputError(f"{where} has a column entropy; leave chance away")
    return frame.assign(entropy=-float(np.log(reals.number("chance", chance, _SHARE))))


NOTES = ("copies", "kept", "reason")  # what `explained` adds to a table


def explained(
    frame: pd.DataFrame,
    keep: float | None,
    *,
    scheme: str,
    seed: int = 0,
    where: str = "losses",
    each_once: bool = False,
) -> pd.DataFrame:
    """Every row of a table, kept or dropped, and why.

    Args:
        frame: columns id and loss, nats; perhaps count (copies) and entropy (nats, of what is to be
            known in the row, which says how many rows fit); other columns stay.
        keep: share to keep; None lets `automatic` choose the number.
        scheme: as in `select`.
        seed: of ties and random choices.
        where: what the table is called in errors.
        each_once: one copy of every chosen row.

    Returns:
        The rows with `copies` (given), `count` (that stay), `kept` and `reason`.

    Raises:
        InputError: for missing columns, columns of one name, duplicate ids (listed), an empty
            table, loss-flat without counts, and as `select`.
    """
    fields.check_types({"each_once": bool}, {"each_once": each_once})
    loss, counts, entropy = _columns(frame, scheme, seed, where)
    if keep is None:
        present = len(loss) if counts is None else int((counts > 0).sum())
        keep = automatic(loss, counts=counts, ignorance=entropy) / max(1, present)
    copies = select(loss, keep, scheme=scheme, counts=counts, rng=np.random.default_rng(seed))
    copies = np.minimum(copies, 1) if each_once else copies
    given = np.ones(len(loss), int) if counts is None else counts.astype(int)
    reasons = _reasons(loss, given, copies, scheme)
    return frame.assign(loss=loss, copies=given, count=copies, kept=copies > 0, reason=reasons)


def _columns(
    frame: pd.DataFrame, scheme: str, seed: int, where: str
) -> tuple[np.ndarray, np.ndarray | None, np.ndarray | None]:
    """Losses, counts and entropies of a table."""
    if not isinstance(frame, pd.DataFrame):
        raise InputError(f"{where} must be a table with the columns id and loss, given {frame!r}")
    fields.check({"seed": fields.COUNT}, {"seed": seed})
    repeated = frame.columns[frame.columns.duplicated()]
    if len(repeated):
        raise InputError(f"{where} has columns of one name: {_listed(repeated.unique())}")
    missing = {"id", "loss"} - set(frame.columns)
    if missing:
        raise InputError(
            f"{where} lacks the columns {', '.join(sorted(missing))}; "
            f"it has {', '.join(map(str, frame.columns))}"
        )
    if frame.empty:
        raise InputError(f"{where} has no rows")
    twice = frame.loc[frame["id"].duplicated(), "id"].unique()
    if len(twice):
        raise InputError(
            f"{where}: {len(twice)} ids occur twice: {_listed(twice)}; "
            "give one row per example and a count"
        )
    loss = _numbers(frame, "loss", where)
    if registered(OFFLINE, scheme, "scheme").flat and "count" not in frame:
        raise InputError(
            f"{where} has no column count; scheme {scheme} caps copies: give their numbers, "
            "or use the scheme loss"
        )
    counts = (
        pd.to_numeric(frame["count"], errors="coerce").to_numpy(float) if "count" in frame else None
    )
    try:
        _checked(loss, counts)
    except InputError as error:
        raise InputError(f"{where}: {error}") from error
    entropy = _numbers(frame, "entropy", where) if "entropy" in frame else None
    return loss, counts, entropy


def _numbers(frame: pd.DataFrame, name: str, where: str) -> np.ndarray:
    numbers = pd.to_numeric(frame[name], errors="coerce").to_numpy(float)
    if not np.isfinite(numbers).all():
        raise InputError(
            f"{where}: {name} is not a finite number "
            f"for the ids {_listed(frame.loc[~np.isfinite(numbers), 'id'])}"
        )
    return numbers


def _reasons(losses: np.ndarray, given: np.ndarray, copies: np.ndarray, scheme: str) -> list[str]:
    """Why each row is kept or dropped, one sentence each."""
    stays = copies > 0
    by_loss = OFFLINE[scheme].by_loss and OFFLINE[scheme].prunes
    highest = losses[stays].max()
    drawn = "its loss is among the lowest" if by_loss else "chosen at random"
    left = "its loss is above those kept" if by_loss else "not chosen at random"
    drawn = drawn if OFFLINE[scheme].prunes else "everything is kept"
    reasons = []
    for loss, before, after in zip(losses, given, copies, strict=True):
        if not before:
            reasons.append("dropped: it has no copies")
        elif after:
            capped = f", {after} of {before} copies" if after < before else ""
            reasons.append(f"kept: {drawn}{capped}")
        elif by_loss and loss == highest:
            reasons.append("dropped: chance decided among equal losses")
        else:
            reasons.append(f"dropped: {left}")
    return reasons


def _checked(losses: ArrayLike, counts: ArrayLike | None) -> tuple[np.ndarray, np.ndarray]:
    losses = reals.array("losses", losses)
    if losses.ndim != 1 or not len(losses):
        raise InputError(
            f"losses must be a vector with at least one entry, given shape {losses.shape}"
        )
    if not np.isfinite(losses).all():
        raise InputError(
            f"losses of the examples {_listed(np.flatnonzero(~np.isfinite(losses)))} are not finite"
        )
    if counts is None:
        return losses, np.ones(len(losses), int)
    copies = reals.array("counts", counts)
    if copies.shape != losses.shape:
        raise InputError(
            f"counts must have the shape of losses, {losses.shape}, given {copies.shape}"
        )
    countable = (copies >= 0) & (copies <= MAX_COPIES) & (copies == np.floor(copies))
    if not countable.all() or not 0 < copies.sum() <= MAX_COPIES:
        raise InputError("counts must be whole numbers ≥ 0, not all 0, of at most 2^53 in sum")
    return losses, copies.astype(int)


def _capped(counts: np.ndarray, budget: int) -> np.ndarray:
    """Counts capped at the largest number that keeps their sum within the budget, at least 1."""
    if counts.sum() <= budget:
        return counts
    low, high = 1, int(counts.max())
    while low < high:
        middle = (low + high + 1) // 2
        if np.minimum(counts, middle).sum() <= budget:
            low = middle
        else:
            high = middle - 1
    return np.minimum(counts, low)


def _listed(values: ArrayLike) -> str:
    names = list(np.asarray(values))
    rest = len(names) - MAX_LISTED
    return ", ".join(map(str, names[:MAX_LISTED])) + (f" and {rest} more" if rest > 0 else "")
