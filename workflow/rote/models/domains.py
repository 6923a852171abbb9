"""Where diffusion of small vectors is right, how right, and how that is known."""

from rote.core.domains import Domain

DOMAINS = [
    Domain(
        "rote.models.diffusion.guided",
        "finite misfits ≥ 0 and gradients at every step, scaling one of unit, raw, residual",
        "the steps it states, in the precision of its tensors; NaN gradients are refused",
        "the chain rule by differences and by the denoiser's Jacobian",
        "two denoisers and one gradient per step",
    ),
    Domain(
        "rote.models.diffusion.memorized",
        "N ≥ 1 finite examples, some finite log-weight",
        "1e-9, absolute, in units of the examples",
        "the smoothed empirical prior",
        "N d per point",
    ),
    Domain(
        "rote.models.diffusion.gaussian",
        "finite mean, symmetric covariance without negative eigenvalues",
        "1e-12, relative",
        "spread of samples",
        "d² per point",
    ),
    Domain(
        "rote.models.diffusion.schedule",
        "steps ≥ 2, a known name",
        "float64",
        "ᾱ at the ends",
        "steps",
    ),
]
