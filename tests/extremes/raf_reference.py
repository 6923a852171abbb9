"""Rules and facts by another way: textbook equations and integrals of definitions in mpmath.

At a point that `rote.theory.raf` solved, one Newton step of the textbook equations, whose Jacobian
is taken by differences at 30 digits, tells how far both errors are from the truth.
"""

from typing import NamedTuple

import mpmath as mp
import numpy as np

DIGITS = 30
_STEP = mp.mpf(10) ** -12


# loss, α, ε, λ, angle and width: near capacities and peaks, at ridges that hardly smooth them
HARD: list[tuple] = [
    ("hinge", 0.1525481660434933, 0.45706, 2.942887639999284e-16, 63.9974, 0.0613),
    ("hinge", 25180.69320346647, 6.17483924638838e-08, 3.5321378e-09, 0.1, 10085104.18),
    ("hinge", 33365.61037614654, 7.257457835037055e-10, 1.1625061408553874e-16, 0.0, None),
    ("hinge", 84422.36361051183, 9.403363821828975e-11, 2.0988965092988436e-12, 0.0, None),
    ("hinge", 4.410376795621726, 1.762063801450142e-05, 3.1122243392435424e-13, 0.0, None),
    ("hinge", 2.9864637128759983, 0.13224140146198327, 9.261713588969906e-09, 0.0, None),
    ("hinge", 31974.354453662094, 2.842093838e-07, 3.31408098e-08, 0.1, 415694.15128),
    ("hinge", 9.613140478955732, 6.369149815e-08, 1.190388990e-14, 87.3312398, 0.09624818),
    ("hinge", 118532.2057137190, 0.04146751345, 3.648664402e-13, 0.1, 24894.26040),
    ("hinge", 1486.085926597793, 3.184175415e-07, 1.775197168e-16, 0.1, 3556.348655),
    ("hinge", 123181.4042641794, 0.1289046324, 3.981588847e-15, 77.16984312, 40830.92849),
    ("hinge", 179.4574506192370, 0.6533429412, 3.816533770e-16, 1.132158899, 87.74030416),
    ("logistic", 2.00657388722971, 0.634242684191032, 4.875180021556966e-15, 0.0, None),
    ("logistic", 5.109834943888261, 5.013804595e-09, 4.4632391347e-16, 28.208071, 1.48286781),
    ("logistic", 12572.95334393980, 0.0, 9.038035298e-16, 0.0, None),
    ("logistic", 245165.7422204667, 0.0, 1.817257690e-15, 51.63511284, 3506.781317),
    ("logistic", 465.5051396729446, 0.009895420218, 1.005576959e-09, 59.38644742, 74.64488266),
    ("logistic", 18916.77846626516, 0.2477034355, 1.249968290e-13, 9.860383633, 6855.460192),
]


class Point(NamedTuple):
    """A point of the model, with μ1 = 1."""

    loss: str
    alpha: float
    eps: float
    lam: float
    tail: float  # μ⋆²
    kappa: float | None
    weight: float = 1.0  # of facts
    eigenvalues: tuple[float, ...] = ()  # of the inputs' covariance, mean 1; isotropic


def _edges(low, high, *scales):
    """Ends of pieces, geometric from each scale on, of an interval that may hold 0."""
    inside = {mp.mpf(low), mp.mpf(high)}
    for scale in scales:
        for factor in (1, 3, 7):
            inside |= {x for x in (-factor * scale, factor * scale) if low < x < high}
    if low < 0 < high:
        inside.add(mp.mpf(0))
    return sorted(inside)


def _density(point, m, rest):
    q = m * m + rest
    root, tilt = mp.sqrt(q), m / mp.sqrt(rest)
    eps = mp.mpf(point.eps)

    def density(field):
        z = field / root
        return mp.npdf(z) / root * (2 * (1 - eps) * mp.ncdf(tilt * z) + eps)

    return density


def hats(point, m, rest, V):
    """m̂, q̂ and V̂ as expectations over the field.

    Args:
        point: of the model.
        m, rest, V: order parameters; rest = q − m².
    """
    if point.weight != 1:
        eps, rho = mp.mpf(point.eps), mp.mpf(point.weight)
        rules = point._replace(weight=1.0, alpha=point.alpha * (1 - eps), eps=0.0)
        facts = point._replace(weight=1.0, alpha=point.alpha * eps, eps=1.0)
        of_rules = hats(rules, m, rest, V)
        _, of_q, of_v = hats(facts, mp.mpf(0), m * m + rest, rho * V)
        return of_rules[0], of_rules[1] + rho**2 * of_q, of_rules[2] + rho * of_v
    sigma, root = mp.sqrt(rest), mp.sqrt(m * m + rest)
    density = _density(point, m, rest)
    alpha, eps = mp.mpf(point.alpha), mp.mpf(point.eps)
    tilt = min(sigma * root / m, root) if m else root

    def gauss(field):
        return mp.npdf(field / sigma) / sigma

    if point.loss == "square":
        c = (1 - eps) * mp.sqrt(2 / mp.pi)
        noise = (m - c) ** 2 + 1 - c * c + rest
        return alpha * c / (1 + V), alpha * noise / (1 + V) ** 2, alpha / (1 + V)
    if point.loss == "hinge":
        reach = 13 * root
        low, end = max(1 - V, -reach), -reach
        edges = _edges(low, mp.mpf(1), sigma, tilt, root)
        edges = [x for x in edges if x <= reach] or [low, mp.mpf(1)]
        score = mp.quad(lambda w: gauss(w) * (1 - w) / V, edges)
        square = mp.quad(lambda w: density(w) * ((1 - w) / V) ** 2, edges)
        share = mp.quad(density, edges)
        if end < 1 - V:
            score += mp.ncdf((1 - V) / sigma)
            below = [x for x in _edges(end, 1 - V, sigma, tilt, root) if x <= reach]
            square += mp.quad(density, below)
        bend = share / V
    else:

        def margin(field):
            """The proximal point, by bisection between field and field + V."""
            a, b = field, field + V
            for _ in range(60):
                c = (a + b) / 2
                a, b = (c, b) if c - V / (1 + mp.exp(c)) < field else (a, c)
            return mp.findroot(lambda z: z - V / (1 + mp.exp(z)) - field, (a + b) / 2)

        fields = _edges(-13 * root, 13 * root, sigma, tilt, root)
        edges = [margin(w) for w in fields]
        edges = sorted({*edges, *(mp.mpf(x) for x in range(-40, 80, 8))})
        edges = [x for x in edges if margin(fields[0]) <= x <= margin(fields[-1])]

        def over(function):
            """Expectation-like integral over fields, in the margin z."""

            def integrand(z):
                s = 1 / (1 + mp.exp(z))
                return function(z - V * s, s) * (1 + V * s * (1 - s))

            return mp.quad(integrand, edges)

        score = over(lambda w, s: gauss(w) * s)
        square = over(lambda w, s: density(w) * s * s)
        bend = over(lambda w, s: density(w) * s * (1 - s) / (1 + V * s * (1 - s)))
    return alpha * 2 * (1 - eps) / mp.sqrt(2 * mp.pi) * score, alpha * square, alpha * bend


def _response(point, hat_m, hat_q, hat_v):
    """m, q − m² and V of the textbook equations, which cancel: at many digits."""
    with mp.workdps(4 * DIGITS):
        return _textbook(point, hat_m, hat_q, max(hat_v, point.lam * mp.mpf(10) ** -DIGITS))


def _textbook(point, hat_m, hat_q, hat_v):
    lam, tail = mp.mpf(point.lam), mp.mpf(point.tail)
    if point.eigenvalues:
        spectrum = [mp.mpf(value) for value in point.eigenvalues]
        gains = [value / (lam + hat_v * value) for value in spectrum]
        pairs = list(zip(spectrum, gains, strict=True))
        m = hat_m * sum(value * gain for value, gain in pairs) / len(pairs)
        q = sum(gain**2 * (hat_m**2 * value + hat_q) for value, gain in pairs) / len(pairs)
        return m, q - m * m, sum(gains) / len(pairs) + tail / lam
    if point.kappa is None:
        V = 1 / (lam + hat_v)
        m = hat_m * V
        return m, hat_q * V * V, V + tail / lam
    kappa = mp.mpf(point.kappa)
    # hats of 2.7 are those at α/κ, times κ for the linear part
    b, g = lam + tail * hat_v / kappa, 1 / kappa
    z = b / hat_v
    delta = mp.sqrt((1 + g + z) ** 2 - 4 * g)
    h = 2 / (1 + g + z + delta)
    bent = h * (1 - z / delta)
    total = hat_m**2 + hat_q
    qw = tail * hat_q / kappa
    m, V = hat_m * h / hat_v, h / hat_v
    q = (total * bent + qw * h / delta) / hat_v**2
    wide = qw * (1 - 2 * g * h + g * bent) / b**2 + total * g * h / (hat_v**2 * delta)
    return m, q + tail * wide - m * m, V + tail * (1 - g * h) / b


def _sweep(point, x):
    m, rest, V = (mp.exp(value) for value in x)
    m *= 1 - mp.mpf(point.eps)
    new = _response(point, *hats(point, m, rest, V))
    scaled = new[0] / (1 - mp.mpf(point.eps))
    return mp.matrix([mp.log(scaled), mp.log(new[1]), mp.log(new[2])])


def errors(point, m, e_gen, V):
    """E_gen and E_mem after one Newton step from m, V and E_gen, which has the digits of q − m².

    Args:
        point: of the model; ε < 1.
        m, e_gen, V: as solved.
    """
    with mp.workdps(DIGITS):
        m, V = mp.mpf(float(m)), mp.mpf(float(V))
        rest = (m * mp.tan(mp.pi * mp.mpf(float(e_gen)))) ** 2
        return _newton(point, m, rest, V)


def _newton(point, m, rest, V):
    x = mp.matrix([mp.log(m / (1 - mp.mpf(point.eps))), mp.log(rest), mp.log(V)])
    gap = _sweep(point, x) - x
    jacobian = mp.matrix(3, 3)
    for k in range(3):
        moved = x.copy()
        moved[k] += _STEP
        column = (_sweep(point, moved) - moved - gap) / _STEP
        for i in range(3):
            jacobian[i, k] = column[i]
    x = x - mp.lu_solve(jacobian, gap)
    m, rest, V = (1 - mp.mpf(point.eps)) * mp.exp(x[0]), mp.exp(x[1]), mp.exp(x[2])
    slope = (mp.mpf(1) / 2 if point.loss == "logistic" else 1) * mp.mpf(point.weight)
    e_gen = mp.atan2(mp.sqrt(rest), m) / mp.pi
    return e_gen, mp.erfc(V * slope / mp.sqrt(2 * (m * m + rest))) / 2


def random_points(seed: int, size: int, low: float = -6.0, features: bool = False):
    """Log-uniform points: α, ε, λ, angle in degrees and width.

    Args:
        seed: of the draw.
        size: points.
        low: decimal logarithm of the smallest ridge.
        features: whether the learners have finite width.
    """
    rng = np.random.default_rng(seed)
    alpha, lam = 10 ** rng.uniform(-4, 6, size), 10 ** rng.uniform(low, 6, size)
    kind = rng.random(size)
    eps = np.where(kind < 0.35, 10 ** rng.uniform(-12, 0, size), rng.random(size))
    eps = np.select([kind < 0.05, kind > 0.95], [0.0, 1.0], eps)
    gamma = np.where(rng.random(size) < 0.3, 0.0, rng.uniform(0, 89.9, size))
    if not features:
        return alpha, eps, lam, gamma, None
    return alpha, eps, lam, np.maximum(gamma, 0.1), 10 ** rng.uniform(-2, 8, size)
