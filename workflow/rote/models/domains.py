"""Where diffusion of small vectors is right, how right, and how that is known."""

from rote.core.domains import Domain

DOMAINS = [
    Domain(
        "rote.models.diffusion.guided",
        "finite misfits ≥ 0 and gradients at every step, scaling one of unit, raw, residual",
        "the steps it states, in the precision of its tensors; NaN gradients and derivatives, and "
        "denoisers that torch cannot differentiate where it has to, are refused",
        "the chain rule by differences and by the denoiser's Jacobian",
        "two denoisers and one gradient per step",
    ),
    Domain(
        "rote.models.diffusion.memorized",
        "N ≥ 1 finite examples, some finite log-weight; points of their dimension, whole times",
        "1e-15 |z − √ᾱ x_n|²/(1 − ᾱ), at least 1e-14, absolute, in units of the examples",
        "the smoothed empirical prior",
        "N d per point",
    ),
    Domain(
        "rote.models.diffusion.gaussian",
        "finite mean, symmetric covariance without negative eigenvalues; points and times likewise",
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
    Domain(
        "rote.models.diffusion.linear",
        "steps ≥ 2, 0 < first ≤ last < 1, ᾱ neither rounded to 1 nor to 0",
        "float64",
        "its product by hand; refusals",
        "steps",
    ),
    Domain(
        "rote.models.diffusion.initial",
        "an architecture, one generator per model",
        "the law of torch's initialization, one stream per model",
        "the same model in stacks of other sizes",
        "its weights",
    ),
    Domain(
        "rote.models.diffusion.network",
        "parameters of `initial`; points and times of their shapes",
        "float32",
        "a network in a stack against the same one alone",
        "two products per block and point",
    ),
    Domain(
        "rote.models.diffusion.ddim",
        "a denoiser of the schedule's times, a start of any number of points",
        "the precision of the tensors",
        "memorized priors end in their examples, Gaussian ones with their spread",
        "one denoiser per step",
    ),
    Domain(
        "rote.models.diffusion.noise_to_clean",
        "ᾱ > 0 at every time",
        "the precision of the tensors over √ᾱ",
        "a prior whose noise is known",
        "one prediction",
    ),
]
