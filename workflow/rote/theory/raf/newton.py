"""Newton's method in the logarithms of (m/(1 − ε), q − m², λV), all points of a grid at once.

Plain iteration cycles where a loss bends sharply and crawls where the equations are flat; Newton
takes about six sweeps. A step is at most _LONGEST long, and half as long after one that went back
and forth. A start in the wrong phase (interpolating or not) shows by steps that turn again and
again, or too many of them: the point then starts anew from the other phase, at last from between
both. What has converged is evaluated once more by a finer quadrature, and the correction that it
asks for is the residual.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from scipy import special

from rote.theory.raf.limits import capacity
from rote.theory.raf.losses import RafLoss
from rote.theory.raf.margins import State
from rote.theory.raf.responses import Spectrum, complement, response, slopes

_LONGEST = 3.0
_TURNS = 3  # steps back and forth, after which a point starts anew
_SWEEPS = np.array([28, 16, 50])  # sweeps from each start after which it does
_WEAK = 1e-3  # tail below which it hardly bounds the output
_LARGER = np.array([[0.8], [3.0], [-1.0]])  # logarithms, from one hard margin to another
_GROWN = 0.3  # of the estimated m, where a start below a quarter of that grows to
_ROUGH = 1e-6  # length of a step at which the finer quadrature takes over
_TRIED = 16  # sweeps from the usual starts, after which a point is reached along larger ridges
_TOP = 1e-2  # ridge over 1 + tail from which that begins; points above it go on as they are
_RUNG = 1.0  # decades of the ridge between two points of the way, or less
_CLOSE = 1.0  # length of a step at which the way goes on
ROUNDING = 3e-9  # relative error of the two errors that double precision may leave
_AVERAGED = 8  # sweeps whose mean is taken where rounding leaves more


class Points(NamedTuple):
    """Parameters of the points of a grid with μ1 = 1, (points,) each, and their inputs."""

    alpha: np.ndarray
    eps: np.ndarray
    lam: np.ndarray
    tail: np.ndarray  # μ⋆²/μ1²
    inverse_width: np.ndarray  # d/p; 0 in the kernel limit
    eigenvalues: np.ndarray | None = None  # (k,) of the inputs' covariance; None: isotropic

    @property
    def geometry(self) -> Spectrum:
        """What the response needs of the learner."""
        return Spectrum(self.tail, self.inverse_width, self.eigenvalues)

    def select(self, index: np.ndarray) -> "Points":
        """The points of an index."""
        names = self._fields[:5]
        return self._replace(**{name: getattr(self, name)[index] for name in names})

    def state(self, x: np.ndarray) -> State:
        """The state at logarithms of the order parameters, (3, points)."""
        return State(self.alpha, self.eps, self.lam, *np.exp(x))


class Step(NamedTuple):
    """A Newton step of all points, and what it says of both errors."""

    x: np.ndarray  # (3, points)
    errors: np.ndarray  # largest relative change of the two errors, (points,)


class Fixed(NamedTuple):
    """A fixed point of every point of a grid."""

    x: np.ndarray  # (3, points)
    iterations: np.ndarray  # sweeps, the check by the finer quadrature included
    residual: np.ndarray


def step(loss: RafLoss, order: int, x: np.ndarray, points: Points) -> Step:
    """The Newton step at x.

    Args:
        loss: of the learner.
        order: of the quadrature.
        x: logarithms of the order parameters, (3, points).
        points: the grid.
    """
    sums = loss.sweep(order, points.state(x))
    hats, by_x = sums[:3], sums[4:].reshape(3, 3, -1)
    new, by_hats = slopes(hats, points.eps, points.geometry)
    gap = np.log(new) - x
    # m changes by what the ridge and the pull of all samples leave of it: nothing large cancels
    gain, left = complement(hats, points.geometry)
    gap[0] = np.log1p(gain * sums[3] - left)
    jacobian = np.einsum("jkn,kin->ijn", by_x, by_hats) / new[:, None] - np.eye(3)[:, :, None]
    change = -_solve(jacobian, gap)
    return Step(change, _effect(x, change, points, loss.slope))


def _solve(matrix: np.ndarray, right: np.ndarray) -> np.ndarray:
    """Cramer's rule for (3, 3, points) and (3, points): singular points give no number."""
    a, b, c = (row.T for row in matrix)
    minors = [np.cross(b, c), np.cross(c, a), np.cross(a, b)]
    determinant = np.einsum("ni,ni->n", a, minors[0])
    total = sum(minor.T * value for minor, value in zip(minors, right, strict=True))
    return np.asarray(total / determinant)


def _effect(x: np.ndarray, change: np.ndarray, points: Points, slope: float) -> np.ndarray:
    """Largest relative change of E_gen and E_mem for a small change of x."""
    state = points.state(x)
    sigma = np.sqrt(state.rest)
    angle = np.arctan2(sigma, state.m)
    q = state.m**2 + state.rest
    turn = np.abs(change[1] / 2 - change[0]) * sigma * state.m / (q * angle)
    with np.errstate(divide="ignore", invalid="ignore"):
        reach = state.v / points.lam * slope / np.sqrt(2 * q)
        factor = 2 / np.sqrt(np.pi) * reach / special.erfcx(reach)
    factor = np.where(reach < 27, factor, 0.0)  # beyond, the error is 0 in double precision
    spread = (state.m**2 * change[0] + state.rest * change[1] / 2) / q
    return np.maximum(turn, np.abs(change[2] - spread) * factor)


def _ridge_response(points: Points) -> np.ndarray:
    """v of the square loss, (points,): in closed form for kernels on isotropic inputs.

    By bisection for features and other inputs.
    """
    alpha, tail = points.alpha, points.tail
    ridge = points.lam + tail
    half = ((1 - alpha) - ridge) / 2
    root = np.sqrt(half**2 + ridge)
    v = tail + np.where(half > 0, half + root, ridge / (root - half))
    narrow = (points.inverse_width > 0) | (points.eigenvalues is not None)
    if not narrow.any():
        return v
    some = points.select(narrow)
    high = np.log1p(some.tail)
    low = high - 90
    zero = np.zeros_like(high)
    for _ in range(60):
        middle = (low + high) / 2
        hats = np.stack([zero, zero, some.alpha / (some.lam + np.exp(middle))])
        above = response(hats, some.eps, some.geometry)[2] > np.exp(middle)
        low, high = np.where(above, middle, low), np.where(above, high, middle)
    v[narrow] = np.exp((low + high) / 2)
    return v


def _ridge_start(points: Points) -> np.ndarray:
    """The solution of the square loss, (3, points)."""
    alpha, eps = points.alpha, points.eps
    v, zero = _ridge_response(points), np.zeros_like(alpha)
    mean, width = np.sqrt(2 / np.pi), points.lam + v
    hats = np.stack([alpha * mean / width, zero, alpha / width])
    m, bare, _ = response(hats, eps, points.geometry)
    unit = response(hats + np.array([[0.0], [1.0], [0.0]]), eps, points.geometry)[1] - bare
    c = (1 - eps) * mean
    noise = ((1 - eps) * m - c) ** 2 + 1 - c**2
    gain = unit * alpha / width**2
    rest = (bare + gain * noise) / np.maximum(1 - gain, 1e-8)
    return np.log(np.stack([m, rest, v]))


def _grown(start: np.ndarray, points: Points) -> np.ndarray:
    """A start further along (1, 1, 1): margins grow until wrong facts or the ridge stop them."""
    bounds = [1 / np.sqrt(points.eps + 1e-300), points.alpha]
    bounds.append(np.cbrt(points.alpha / (points.lam + points.tail)))
    growth = np.log(_GROWN * np.minimum.reduce(bounds)) - start[0]
    return start + np.where(growth > np.log(4), growth, 0)


def _interpolating_start(loss: RafLoss, points: Points) -> np.ndarray:
    """About where all samples have their margins already, (3, points)."""
    alpha, tail = points.alpha, points.tail
    features = np.maximum(np.minimum(1, 1.6 * alpha), 1.6 * alpha * points.inverse_width)
    # the pull of the margins, α/m², against that of a small tail, m · tail
    weak = np.where(tail < _WEAK, np.cbrt(alpha / np.maximum(tail, 1e-300)), 0.0)
    m = np.minimum(1.6 * alpha, np.maximum(features, weak))
    rest = 0.3 * np.minimum(1, 3 * alpha)
    v = 0.05 * (1 + tail)
    margin = loss.margin(v / points.lam)
    return np.log(np.stack([m * margin, rest * margin**2, v]))


def _hard_start(start: np.ndarray, points: Points) -> np.ndarray:
    """A start for hard margins: of a linear learner they diverge as data become inseparable."""
    gap = np.clip(1 - points.alpha / capacity(points.eps), 1e-8, 1)
    diverging = np.stack([0.55 * points.alpha / gap, 2 / gap**2, 0.85 * gap / points.alpha])
    return np.where((points.tail == 0) & (gap < 0.5), np.log(diverging), start)


class _Run:
    """The state of an iteration: of every point, at which start and how it goes."""

    def __init__(self, loss: RafLoss, points: Points, start: np.ndarray | None = None) -> None:
        size = len(points.alpha)
        ridge, margins = _ridge_start(points), _interpolating_start(loss, points)
        if loss.closed_form is None:
            ridge = _grown(ridge, points)
        starts = np.stack([ridge, margins, (ridge + margins) / 2])
        # the hard margin is in one phase, and its output large where data hardly separate
        hard = np.stack([_hard_start(margins, points), margins, margins + _LARGER])
        self.starts = np.where((points.lam == 0) & (loss.closed_form is None), hard, starts)
        self.points = points
        self.x = self.starts[0].copy() if start is None else start.copy()
        self.iterations = np.zeros(size, int)
        self.residual = np.full(size, np.inf)
        self.previous = np.full(size, np.inf)  # length of the last step
        self.ceiling = np.log1p(points.tail)  # of log v
        self.last = np.zeros((3, size))  # step
        self.longest = np.full(size, _LONGEST)
        self.turns = np.zeros(size, int)
        self.sweeps = np.zeros(size, int)
        # which: the last one is not left
        self.start = np.full(size, 0 if start is None else len(self.starts) - 1)

    def move(self, active: np.ndarray, change: np.ndarray) -> None:
        """Take a step at the active points."""
        last = self.last[:, active]
        length, before = np.abs(change).max(axis=0), np.abs(last).max(axis=0)
        lengths = np.sqrt((change**2).sum(0) * (last**2).sum(0))
        back = ((change * last).sum(0) < -0.3 * lengths) & (length > 1e-6)
        widened = np.minimum(2 * self.longest[active], _LONGEST)
        self.longest[active] = np.where(back, before / 2, widened)
        # where only v is left and its equation is linear in v, not in log v
        alone = (np.abs(change[:2]).max(axis=0) < 0.1) & (change[2] < -0.3) & (change[2] > -1)
        change[2] = np.where(alone, np.log1p(np.where(alone, change[2], 0)), change[2])
        length = np.abs(change).max(axis=0)
        change = change * np.minimum(1, self.longest[active] / np.maximum(length, 1e-300))
        old = self.x[:, active]
        new = old + change
        new[2] = np.minimum(new[2], self.ceiling[active])
        self.x[:, active], self.last[:, active] = new, new - old
        self.turns[active] += back
        self.sweeps[active] += 1

    def restart(self, active: np.ndarray) -> None:
        """Start anew, from the next start, where the iteration does not get on."""
        lost = (self.turns[active] > _TURNS) | (self.sweeps[active] >= _SWEEPS[self.start[active]])
        lost = active[lost & (self.start[active] < len(self.starts) - 1)]
        self.start[lost] += 1
        self.x[:, lost] = self.starts[self.start[lost], :, lost].T
        self.last[:, lost] = 0
        self.longest[lost] = _LONGEST
        self.turns[lost] = self.sweeps[lost] = 0


def iterate(loss: RafLoss, points: Points, tolerance: float, max_iter: int) -> Fixed:
    """Solve all points at once; converged points are frozen.

    A point of small ridge that takes long is reached along larger ones; its sweeps there count as
    its own.

    Args:
        loss: of the learner.
        points: the grid.
        tolerance: relative change of the order parameters at which a point has converged.
        max_iter: sweeps, those by the finer quadrature and at larger ridges included, after which
            it has not.

    Returns:
        Fixed points; the residual is infinite where none was reached.
    """
    small = (points.lam > 0) & (points.lam < _TOP * (1 + points.tail))
    tried = np.where(small, min(_TRIED, max_iter), max_iter)
    fixed = _from(loss, points, tolerance, tried)
    lost = np.flatnonzero(~np.isfinite(fixed.residual) & (fixed.iterations < max_iter) & small)
    if len(lost):
        again = _along_ridges(
            loss, points.select(lost), tolerance, max_iter - fixed.iterations[lost]
        )
        fixed.x[:, lost] = again.x
        fixed.iterations[lost] += again.iterations
        fixed.residual[lost] = again.residual
    return _averaged(loss, points, fixed, max(tolerance, ROUNDING), max_iter)


def _averaged(
    loss: RafLoss, points: Points, fixed: Fixed, tolerance: float, max_iter: int
) -> Fixed:
    """Where rounding leaves more than a tolerance: the mean of several sweeps, each as wrong."""
    room = fixed.iterations + _AVERAGED <= max_iter
    noisy = np.flatnonzero(np.isfinite(fixed.residual) & (fixed.residual >= tolerance) & room)
    if not len(noisy):
        return fixed
    some, x = points.select(noisy), fixed.x[:, noisy]
    states, squares = np.zeros_like(x), np.zeros(len(noisy))
    for _ in range(_AVERAGED):
        change, errors = step(loss, loss.orders[1], x, some)
        x = x + change
        states += x
        squares += errors**2
    fixed.x[:, noisy] = states / _AVERAGED
    fixed.residual[noisy] = np.sqrt(squares) / _AVERAGED
    fixed.iterations[noisy] += _AVERAGED
    return fixed


def _along_ridges(loss: RafLoss, points: Points, tolerance: float, limit: np.ndarray) -> Fixed:
    """Fixed points along falling ridges."""
    top = _TOP * (1 + points.tail)
    rungs = int(np.ceil(np.log10(top / points.lam).max() / _RUNG))
    ridges = (top * (points.lam / top) ** (rung / rungs) for rung in range(rungs))
    way = [(loss, points._replace(lam=ridge)) for ridge in ridges]
    return along([*way, (loss, points)], tolerance, limit)


def along(way: Sequence[tuple[RafLoss, Points]], tolerance: float, limit: np.ndarray) -> Fixed:
    """Fixed points along a way, each start on the line through the two points before.

    Args:
        way: losses and grids of one size, from the easiest to those that are to be solved.
        tolerance: relative change of the order parameters at which a point of the last has
            converged.
        limit: sweeps on the whole way, (points,).

    Returns:
        The fixed points of the last; their sweeps are those of the whole way.
    """
    everything, spent = np.arange(len(limit)), np.zeros(len(limit), int)
    roots: list[np.ndarray] = []
    for loss, points in way[:-1]:
        run = _Run(loss, points, _ahead(roots))
        with np.errstate(all="ignore"):
            _sweep(run, loss, loss.orders[0], everything, (_CLOSE, limit - spent))
        spent += run.iterations
        roots.append(run.x)
    last = _from(*way[-1], tolerance, limit - spent, _ahead(roots))
    return last._replace(iterations=spent + last.iterations)


def _ahead(roots: list[np.ndarray]) -> np.ndarray | None:
    """Where the line through the last two roots leads; None where there is none yet."""
    if not roots:
        return None
    return roots[-1] if len(roots) == 1 else 2 * roots[-1] - roots[-2]


def _from(
    loss: RafLoss,
    points: Points,
    tolerance: float,
    limit: np.ndarray,
    start: np.ndarray | None = None,
) -> Fixed:
    """Fixed points from the usual starts, or from one of (3, points), in at most `limit` sweeps."""
    with np.errstate(all="ignore"):
        run = _Run(loss, points, start)
        everything = np.arange(len(points.alpha))
        settled = _sweep(run, loss, loss.orders[0], everything, (max(tolerance, _ROUGH), limit))
        run.previous[:] = np.inf
        run.start[:] = len(run.starts) - 1
        _sweep(run, loss, loss.orders[1], settled, (tolerance, limit))
    return Fixed(run.x, run.iterations, run.residual)


def _sweep(
    run: _Run, loss: RafLoss, order: int, active: np.ndarray, until: tuple[float, np.ndarray]
) -> np.ndarray:
    """Sweep over the active points until a tolerance or their limits; those that got there.

    The residual is that of the last order only.
    """
    tolerance, limit = until
    settled = np.zeros(len(run.iterations), bool)
    active = active[run.iterations[active] < limit[active]]
    while len(active):
        change, errors = step(loss, order, run.x[:, active], run.points.select(active))
        length = np.abs(change).max(axis=0)
        finite = np.isfinite(length)
        # a step that shrinks no more is rounding
        rounding = (length < _ROUGH) & (length > run.previous[active] / 4)
        done = finite & ((np.fmax(length, errors) < tolerance) | rounding)
        settled[active] = done
        run.residual[active] = np.where(done & (order == loss.orders[1]), errors, np.inf)
        run.previous[active] = np.where(finite, length, np.inf)
        run.move(active, np.where(finite, change, 1.0))
        run.iterations[active] += 1
        active = active[~done]
        run.restart(active)
        active = active[run.iterations[active] < limit[active]]
    return np.flatnonzero(settled)
