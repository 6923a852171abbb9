"""How long the steps of guidance are: from the gradient of a misfit to a direction."""

from torch import Tensor, linalg, where


def _unit(slopes: Tensor, misfits: Tensor) -> Tensor:
    size = slopes.abs().amax(1, keepdim=True)  # first, so that no square vanishes
    scaled = where(size > 0, slopes / size, 0.0)
    length = linalg.vector_norm(scaled, dim=1, keepdim=True)
    return where(size > 0, scaled / length, 0.0)


def _raw(slopes: Tensor, misfits: Tensor) -> Tensor:
    return slopes


def _over_residual(slopes: Tensor, misfits: Tensor) -> Tensor:
    norm = (2 * misfits)[:, None].sqrt().to(slopes.dtype)
    return where(norm > 0, 2 * slopes / norm, 0.0)


# from gradients ∇Φ (points, d) and misfits Φ (points,) to the direction of a step of length 1
SCALINGS = {
    "unit": _unit,  # ∇Φ/‖∇Φ‖, 0 where it vanishes: as published
    "raw": _raw,  # ∇Φ
    "residual": _over_residual,  # ∇‖r‖²/‖r‖ = 2 ∇Φ/√(2Φ) (Chung et al. 2023)
}
