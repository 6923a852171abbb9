"""Fixed points of matrices, followed down in γ by Newton's method in decimal arithmetic.

Where the pencil has no explicit resolvent h solves h = Φ(h, γ), a matrix equation whose entries
reach over 1/γ in size, and what γ adds to E is smaller than E by γ². Residuals are therefore
decimal; the matrices that Newton inverts are double precision, in a frame in which the symmetric
part of h is the identity: every step gains as many digits as double precision leaves of the
inverse. The path starts at large γ, where h is explicit, no step is longer than what the tangent
predicts, and only roots with a positive symmetric part count: there the root is unique. What lies
on the way only has to lead there: it goes in double precision as far as that does, where Φ can.
"""

import decimal
import math
from collections.abc import Callable
from decimal import Decimal
from typing import NamedTuple

import numpy as np

from rote.theory.attention import decimals

_CLOSE = 1e-3  # of the last step at a point of the way, relative: what is left is its square
_STRIDES = (math.log(10.0), math.log(300.0), 1e-2)  # of log γ: first, longest, shortest
_FLOAT_STRIDE = 0.1  # shortest in double precision: where it takes shorter ones, decimals go on
_FIRST = 6  # iterations before Newton
_STEPS = 9  # of Newton at a point of the way
_ENDS = 60  # of Newton at a point that is asked for
_PREDICTED = 0.6  # how far from the tangent's prediction a root may be, relative


class Image(NamedTuple):
    """Φ at a state, and its derivatives."""

    state: np.ndarray  # (unknowns,) of decimals
    # frame -> ∂Φ/∂state (unknowns, unknowns) and γ ∂Φ/∂γ (unknowns,), in it
    slopes: Callable[["Frame"], tuple[np.ndarray, np.ndarray]]


class Frame:
    """Where h = L ĥ Lᵀ, with L Lᵀ the symmetric part of a h nearby, and other unknowns are one.

    Raises:
        ArithmeticError: where that part is not positive: h is then not that of the model.
    """

    def __init__(self, state: np.ndarray, size: int) -> None:
        self.size = size
        h = state[: size * size].reshape(size, size)
        self._decimal = decimals.short if state.dtype == object else np.asarray
        self._L = self._decimal(decimals.cholesky((h + h.T) / 2))
        self._inverse = decimals.inverse(self._L)
        others = state[size * size :].astype(float)
        if (others < 0).any():
            raise ArithmeticError("an unknown that is positive in the model is not")
        self.others = np.where(others > 0, others, 1.0)

    def h(self, matrix: np.ndarray) -> np.ndarray:
        """L⁻¹ X L⁻ᵀ, (k, k) floats."""
        return (self._inverse @ matrix @ self._inverse.T).astype(float)

    def inverse_h(self, matrix: np.ndarray) -> np.ndarray:
        """Lᵀ X L, for what is like h⁻¹."""
        return (self._L.T @ matrix @ self._L).astype(float)

    def column(self, vector: np.ndarray) -> np.ndarray:
        """L⁻¹ x, (k,) floats."""
        return (self._inverse @ vector).astype(float)

    def row(self, vector: np.ndarray) -> np.ndarray:
        """Lᵀ x, (k,) floats."""
        return (self._L.T @ vector).astype(float)

    def left(self, matrix: np.ndarray) -> np.ndarray:
        """L⁻¹ X L, for products h h⁻¹."""
        return (self._inverse @ matrix @ self._L).astype(float)

    def right(self, matrix: np.ndarray) -> np.ndarray:
        """Lᵀ X L⁻ᵀ, for products h⁻¹ h."""
        return (self._L.T @ matrix @ self._inverse.T).astype(float)

    def both_sides(self, new: np.ndarray, parts: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
        """L⁻¹ F X L and Lᵀ X F L⁻ᵀ of matrices X like h⁻¹ and F like h, (parts, k²) of decimals."""
        left = [(self._inverse @ new @ part @ self._L).ravel() for part in parts]
        right = [(self._L.T @ part @ new @ self._inverse.T).ravel() for part in parts]
        return np.stack(left), np.stack(right)

    def scaled(self, state: np.ndarray) -> np.ndarray:
        """All unknowns in this frame, (unknowns,) floats."""
        k = self.size
        h = self.h(state[: k * k].reshape(k, k)).ravel()
        return np.append(h, (state[k * k :] / self._decimal(self.others)).astype(float))

    def state(self, scaled: np.ndarray) -> np.ndarray:
        """The unknowns, (unknowns,) of decimals or, in a frame of floats, of floats.

        Args:
            scaled: in this frame, floats.
        """
        k = self.size
        h = self._L @ self._decimal(scaled[: k * k].reshape(k, k)) @ self._L.T
        return np.append(h.ravel(), self._decimal(scaled[k * k :] * self.others))


class System(NamedTuple):
    """A fixed point of h (k, k), the first k² unknowns, row by row, and of others, all > 0."""

    size: int  # k
    image: Callable[[np.ndarray, Decimal], Image]  # state, γ -> Φ
    way: Callable[[np.ndarray, Decimal], Image]  # Φ, or nearly, and faster
    start: Callable[[float], np.ndarray]  # γ -> state at so large a γ, (unknowns,) floats
    top: float  # γ that is large enough for that
    value: Callable[[np.ndarray], Decimal]  # state -> φ
    # Φ of states and γ in double precision; None where there is none
    in_floats: Callable[[np.ndarray, float], Image] | None = None


class _Digits(NamedTuple):
    """Decimal digits at γ = 10^−l: what γ adds to E may be γ² of it."""

    way: int  # on the way
    all: int  # at a point that is asked for: half of them are for what cancels
    step: Decimal  # in γ, relative, and what the difference is wrong by
    end: float  # of Newton, relative

    @classmethod
    def at(cls, gamma: float) -> "_Digits":
        small = max(0, math.ceil(-math.log10(gamma)))
        step = 22 + 2 * small
        return cls(28 + 3 * small, 72 + 7 * small, Decimal(10) ** -step, 10.0 ** (-2 * step))


class Value(NamedTuple):
    """φ's derivative at one γ, and the root that it is taken at."""

    error: Decimal  # −γ² dφ/dγ; NaN where the path was lost
    doubt: float  # how much of it Newton's last step and the difference may have left, relative
    state: np.ndarray  # (unknowns,) of decimals; empty where the path was lost


class _Point(NamedTuple):
    """A root, and its tangent in log γ."""

    level: float  # log γ
    state: np.ndarray
    frame: Frame
    tangent: np.ndarray  # in this frame


def errors(system: System, gamma: np.ndarray) -> list[Value]:
    """−γ² dφ/dγ at every γ.

    Args:
        system: the fixed point.
        gamma: (γ,), positive, any order.
    """
    lost = Value(Decimal("nan"), math.inf, np.empty(0, object))
    values = [lost] * len(gamma)
    top = max(system.top, float(gamma.max()))
    with decimal.localcontext() as context, np.errstate(all="ignore"):
        context.prec = _Digits.at(float(gamma.min())).way
        start = system.start(top)
        point = _first(system, start, top) if system.in_floats else None
        point = point or _first(system, decimals.exact(start), top)
        for index in np.argsort(-gamma):
            ridge = float(gamma[index])
            point = None if point is None else _descended(system, point, math.log(ridge))
            value = point and _value(system, point.state, ridge)
            if point is not None and not value and point.state.dtype != object:
                point = _in_decimals(system, point)
                value = point and _value(system, point.state, ridge)
            values[index] = value or lost
    return values


def _first(system: System, state: np.ndarray, gamma: float) -> _Point | None:
    for _ in range(_FIRST):  # Φ maps what is positive to what is positive
        state = _image(system, state, gamma).state
    return _corrected(system, state, math.log(gamma), math.inf)


def _in_decimals(system: System, point: _Point) -> _Point | None:
    return _corrected(system, decimals.exact(point.state), point.level, math.inf)


def _descended(system: System, point: _Point, level: float) -> _Point | None:
    """The point of the path at a lower log γ, of decimals where floats lose it; None where lost."""
    stride, longest, shortest = _STRIDES
    while point.level > level:
        step = min(stride, point.level - level)
        predicted = _moved(point.frame.scaled(point.state), point.frame, -step * point.tangent)
        after = _corrected(system, predicted, point.level - step, _PREDICTED)
        if after is not None:
            point, stride = after, min(1.6 * stride, longest)
        elif step / 2 < shortest and point.state.dtype == object:
            return None
        elif step / 2 < (shortest if point.state.dtype == object else _FLOAT_STRIDE):
            in_decimals = _in_decimals(system, point)
            if in_decimals is None:
                return None
            point, stride = in_decimals, _STRIDES[0]
        else:
            stride = step / 2
    return point


def _moved(scaled: np.ndarray, frame: Frame, change: np.ndarray) -> np.ndarray:
    """The state after a step, both in a frame; what is positive stays so, however long it is."""
    k = frame.size
    h, moved = scaled[: k * k].reshape(k, k), change[: k * k].reshape(k, k)
    values, axes = np.linalg.eigh((moved + moved.T) / 2)
    half = axes * (values / 2) @ axes.T
    growth = axes * np.exp(np.clip(values, -50, 50) / 2) @ axes.T
    inner = growth @ (h + moved - half @ h - h @ half) @ growth
    # antisymmetric entries do not follow the frame where they are larger than it
    turn, change_of = (h - h.T) / 2, (moved - moved.T) / 2
    large = np.abs(turn) > 1
    ahead = turn * np.exp(np.clip(change_of / np.where(large, turn, 1), -50, 50))
    inner = np.where(large, (inner + inner.T) / 2 + ahead, inner)
    others = scaled[k * k :]
    rest = others * np.exp(np.clip(change[k * k :] / np.where(others > 0, others, 1), -50, 50))
    return frame.state(np.append(inner.ravel(), rest))


def _step(image: Image, state: np.ndarray, frame: Frame) -> np.ndarray:
    """Newton's step and the tangent in log γ, (unknowns, 2); of others in their logarithms."""
    k = frame.size
    missed = frame.scaled(image.state - state)
    by_state, by_gamma = image.slopes(frame)
    ratio = np.ones(len(missed))
    ratio[k * k :] = np.maximum(1 + missed[k * k :], 1e-300)
    missed[k * k :] = np.log(ratio[k * k :])
    rows = np.eye(len(missed)) - by_state / ratio[:, None]
    return np.linalg.solve(rows, np.stack([missed, by_gamma / ratio], axis=1))


def _corrected(system: System, state: np.ndarray, level: float, allowed: float) -> _Point | None:
    """Newton from a prediction; None where it does not end near that."""
    length = allowed
    try:
        for _ in range(_STEPS):
            image = _image(system, state, math.exp(level))
            frame = Frame(state, system.size)
            both = _step(image, state, frame)
            scaled = frame.scaled(state)
            # antisymmetric entries may be larger than one
            before, length = length, np.abs(both[:, 0] / np.maximum(1, np.abs(scaled))).max()
            if not (np.isfinite(both).all() and length <= before):
                return None
            state = _moved(scaled, frame, both[:, 0])
            if length < _CLOSE:
                return _Point(level, state, frame, both[:, 1])
    except (ArithmeticError, np.linalg.LinAlgError):
        return None
    return None


def _image(system: System, state: np.ndarray, gamma: float) -> Image:
    if state.dtype == object or system.in_floats is None:
        return system.way(state, Decimal(gamma))
    return system.in_floats(state, gamma)


def _value(system: System, state: np.ndarray, gamma: float) -> Value | None:
    """−γ² dφ/dγ by the difference between two roots."""
    digits, ridge = _Digits.at(gamma), Decimal(gamma)
    with decimal.localcontext(prec=digits.all):
        try:
            state = state if state.dtype == object else decimals.exact(state)
            first = _root(system, state, ridge, digits.end)
            there = first and _root(
                system, first.state, ridge * (1 + digits.step), digits.end, first
            )
            if first is None or there is None:
                return None
            rise = system.value(there.state) - system.value(first.state)
        except (ArithmeticError, np.linalg.LinAlgError):
            return None
        doubt = max(first.error, there.error) / float(digits.step) + float(digits.step)
        return Value(-ridge * rise / digits.step, doubt, first.state)


class _Root(NamedTuple):
    """A root, and what Newton inverted near it."""

    state: np.ndarray
    error: float  # relative, estimated
    left: np.ndarray
    frame: Frame


def _root(
    system: System, state: np.ndarray, gamma: Decimal, end: float, guess: _Root | None = None
) -> _Root | None:
    """The root to all digits; None where it is not reached, or is not that of the model."""
    length = math.inf
    for _ in range(_ENDS):
        image = system.image(state, gamma)
        if guess is not None:
            left, frame = guess.left, guess.frame
        elif length > 1e-12:
            frame = Frame(state, system.size)
            by_state, _ = image.slopes(frame)
            left = np.linalg.inv(np.eye(len(by_state)) - by_state)
        step = left @ frame.scaled(image.state - state)
        before, length = length, float(np.abs(step).max())
        if not length < max(before / 2, 1e-3):
            return None
        state = state + frame.state(step)
        # steps go on to shrink by the factor of the last one, or faster
        left_over = length * (length / before if before < 1 else 1.0)
        if left_over < end:
            Frame(state, system.size)  # refuses what is not the model's
            return _Root(state, left_over, left, frame)
    return None
