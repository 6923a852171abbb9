"""The logistic loss: −ℓ' = s at margin z = log((1 − s)/s); the nodes are margins."""

import numpy as np
from scipy import special

from rote.theory.raf.margins import REACH, Nodes, State, panels, scales

_DECAY = 42.0  # margins over which the slope falls by 1e-18


def logistic_output(field: np.ndarray, V: np.ndarray) -> np.ndarray:
    """The proximal point z of a field: z − V/(1 + exp z) = field.

    Args:
        field, V: of one shape after broadcasting.
    """
    high = np.maximum(field + V, field)
    low = np.minimum(field, high)
    # from the left of the inflection at 0, or from above it, Newton is monotone
    z = np.where(field + V / 2 > 0, np.minimum(np.log1p(V) + np.maximum(field, 0), high), low)
    for _ in range(60):
        s = special.expit(-z)
        step = (z - field - V * s) / (1 + V * s * (1 - s))
        high = np.where(step > 0, np.minimum(high, z), high)
        low = np.where(step < 0, np.maximum(low, z), low)
        new = z - step
        new = np.where((new < low) | (new > high), (low + high) / 2, new)
        done = np.abs(new - z) <= 1e-6 * (1 + np.abs(z))
        z = new
        if done.all():
            break
    return z


_SIGMAS = np.array([-REACH, -5.0, -2.5, -1.0, 0.5, 2.0, 4.5, 8.0, 12.7])
_ROOTS = np.array([-REACH, -5.0, -2.5, -1.0, -0.3, 0.3, 1.0, 2.5, 5.0, REACH])
_MARGINS = np.array([-_DECAY, -20.0, -10.0, -5.0, -1.5, 1.5, 5.0, 10.0, 20.0])


def logistic_nodes(s: State, order: int) -> Nodes:
    """Outputs of the proximal operator, where their density lives.

    Args:
        s: columns, (points, 1).
        order: nodes per panel.
    """
    sigma, root = scales(s)
    V = s.v / s.lam
    fields = np.concatenate([_SIGMAS * sigma, _ROOTS * root], axis=1)
    outputs = logistic_output(fields, V)
    zero = logistic_output(np.zeros_like(V), V)
    facts = np.where(s.eps > 0, outputs[:, len(_SIGMAS)][:, None], outputs[:, :1])
    low = np.maximum(facts, -_DECAY)
    high = np.maximum(np.minimum(outputs[:, -1:], zero + _DECAY), low)
    margins = [np.broadcast_to(_MARGINS, (len(V), len(_MARGINS))), zero + _MARGINS[4:]]
    edges = np.sort(np.clip(np.concatenate([outputs, *margins], axis=1), low, high), axis=1)
    z, dz = panels(edges, order)
    slope, other = special.expit(-z), special.expit(z)
    bend = slope * other
    # below −_DECAY the slope is 1, and what is left is the mass there
    cut = low[:, 0] <= -_DECAY
    end = np.where(cut, (low - V)[:, 0], -np.inf)
    return Nodes(
        slope / s.lam,
        z - V * slope,
        bend / s.lam * dz,
        (1 + V * bend) * dz,
        end,
        np.where(cut, 1 / s.lam[:, 0], 0.0),
    )
