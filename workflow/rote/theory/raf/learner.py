"""Learners of the model: the two numbers an activation enters by, and the width."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from rote.core.errors import InputError
from rote.theory.raf.kernels import KERNELS
from rote.theory.raf.limits import first_offender


class _Domain(NamedTuple):
    """The valid values of a parameter, as a test and in words."""

    holds: Callable[[np.ndarray], np.ndarray]
    words: str


_DOMAINS = {
    "alpha": _Domain(lambda x: x > 0, "> 0"),
    "eps": _Domain(lambda x: (x >= 0) & (x <= 1), "in [0, 1]"),
    "lam": _Domain(lambda x: x >= 0, "≥ 0"),
    "mu1": _Domain(
        lambda x: x != 0,
        "non-zero (without a linear part the rule cannot be learnt: E_gen = 1/2)",
    ),
    "mustar": _Domain(lambda x: x >= 0, "≥ 0"),
    "kappa": _Domain(lambda x: x > 0, "> 0"),
}


def check_domains(**parameters: np.ndarray | float) -> None:
    """Refuse values outside their ranges, naming parameter and range.

    Args:
        **parameters: alpha, eps, lam, mu1, mustar or kappa, of any shape.

    Raises:
        InputError: for the first value that is no number, not finite or outside its range.
    """
    for name, given in parameters.items():
        try:
            values = np.asarray(given, float)
        except (TypeError, ValueError) as error:
            raise InputError(
                f"{name} must be a number or an array of numbers, given {given!r}"
            ) from error
        valid = np.isfinite(values) & _DOMAINS[name].holds(values)
        if not valid.all():
            raise InputError(
                f"{name} must be finite and {_DOMAINS[name].words}, "
                f"given {first_offender(values, valid)}"
            )


@dataclass(frozen=True, eq=False)
class Learner:
    """A linear learner, a kernel machine or random features; the default is linear.

    The fields broadcast with each other and with the points that `solve` solves for.

    Attributes:
        mu1: linear part of the kernel or activation, ≠ 0.
        mustar: norm of the rest, ≥ 0; > 0 for random features.
        kappa: features per dimension p/d of a random-feature learner, > 0; None is the kernel
            limit.

    Raises:
        InputError: naming the field and its range.
    """

    mu1: np.ndarray | float = 1.0
    mustar: np.ndarray | float = 0.0
    kappa: np.ndarray | float | None = None

    def __post_init__(self) -> None:
        check_domains(mu1=self.mu1, mustar=self.mustar)
        if self.kappa is None:
            return
        check_domains(kappa=self.kappa)
        if (np.asarray(self.mustar) == 0).any():
            raise InputError(
                "mustar must be > 0 for random features; a linear activation is the linear learner"
            )

    @classmethod
    def at_angle(
        cls, gamma: np.ndarray | float, kappa: np.ndarray | float | None = None
    ) -> "Learner":
        """The learner with μ1 = cos γ, μ⋆ = sin γ.

        Args:
            gamma: kernel angle in degrees, [0, 90).
            kappa: as the field.

        Raises:
            InputError: for an angle or a width outside its range.
        """
        gamma = np.asarray(gamma, float)
        valid = (gamma >= 0) & (gamma < 90)
        if not valid.all():
            raise InputError(
                f"gamma must be in [0, 90) degrees, given {first_offender(gamma, valid)}"
            )
        return cls(np.cos(np.radians(gamma)), np.sin(np.radians(gamma)), kappa)

    @classmethod
    def of_kernel(cls, name: str, kappa: np.ndarray | float | None = None) -> "Learner":
        """The learner with the geometry of a named kernel.

        Args:
            name: erf, relu, sign, rbf or cubic.
            kappa: as the field.

        Raises:
            InputError: for an unknown kernel or a width outside its range.
        """
        if name not in KERNELS:
            raise InputError(f"kernel must be one of {', '.join(KERNELS)}, given {name!r}")
        return cls(*KERNELS[name].geometry, kappa)
