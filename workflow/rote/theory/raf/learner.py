"""Learners of the model: the two numbers an activation enters by, and the width."""

from dataclasses import dataclass

import numpy as np

from rote.core.errors import InputError
from rote.theory.raf import inputs, kernels
from rote.theory.raf.arguments import check_domains, first_offender


@dataclass(frozen=True, eq=False)
class Learner:
    """A linear learner, a kernel machine or random features; the default is linear.

    The fields broadcast with each other and with the points that `solve` solves for.

    Attributes:
        mu1: linear part of the kernel or activation, ≠ 0.
        mustar: norm of the rest, ≥ 0; > 0 for random features.
        kappa: features per dimension p/d of a random-feature learner, > 0; None is the kernel
            limit.
        weight: of a fact in the sum of losses, > 0, where a rule has 1; a whole number is how often
            every fact is stated.
        eigenvalues: of the inputs' covariance, (k,) in any unit, the same for all points; then α
            counts samples per eigenvalue. They are kept over their mean. None: isotropic inputs.

    Raises:
        InputError: naming the field and its range; for eigenvalues of random features' inputs.
    """

    mu1: np.ndarray | float = 1.0
    mustar: np.ndarray | float = 0.0
    kappa: np.ndarray | float | None = None
    weight: np.ndarray | float = 1.0
    eigenvalues: np.ndarray | None = None

    def __post_init__(self) -> None:
        check_domains(mu1=self.mu1, mustar=self.mustar, weight=self.weight)
        if self.eigenvalues is not None:
            if self.kappa is not None:
                raise InputError("eigenvalues are not known to random features; leave kappa out")
            object.__setattr__(self, "eigenvalues", inputs.eigenvalues(self.eigenvalues))
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
            name: erf, relu, sign, rbf, cubic, or rbf:ETA.
            kappa: as the field.

        Raises:
            InputError: for an unknown kernel or a width outside its range.
        """
        return cls(*kernels.named(name).geometry, kappa)
