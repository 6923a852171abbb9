"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "stylized": Figure(
        "closed_forms",
        ("densities", "planes"),
        "Posteriors of the stylized problems",
        "Exact posterior, its linearized mixture, prior and scaled likelihood as the components "
        "shrink: in one "
        "dimension (above) and in two (contours at 10 % and 50 % of the maximum).",
        "Figure 1: one bump becomes equal spikes at the two examples that fit; in two dimensions "
        "mass moves from "
        "near the truth onto an example.",
        "paper",
    ),
    "convergence": Figure(
        "closed_forms",
        ("stylized",),
        "Where the closed forms hold",
        "a: distance of the linearized mixture from the exact posterior, with and without the "
        "determinant in the "
        "weights. b: distance of the exact posterior from the lookup, over the width. c: the "
        "posterior mean leaves "
        "the truth.",
        "Not shown there; the weights without the determinant are those of its code.",
        "extension",
    ),
    "components": Figure(
        "closed_forms",
        ("components",),
        "How many examples share a posterior",
        "Effective number of components of the one-dimensional problem against their width; "
        "markers at the "
        "predicted critical width; dotted, the usual last noise level of a diffusion model.",
        "In the released code only.",
        "reconstruction",
    ),
    "ratios": Figure(
        "closed_forms",
        ("ratios", "scores"),
        "The published ratio of models that nothing memorized",
        "Distance to the nearest training model over the mean distance to the next ones. Shaded: "
        "called memorized. "
        "Fresh draws of the generator, training models against the others, means of three, the "
        "true model. Markers "
        "below: posterior samples under the network that predicts noise and under a Gaussian "
        "prior, "
        "which cannot memorize.",
        "Histograms of posterior samples, in the released code.",
        "extension",
    ),
    "rates": Figure(
        "closed_forms",
        ("rates", "scores"),
        "The published rate is no test of memorization",
        "Share of models below the threshold, for sets that cannot be memorized, against the "
        "number of training "
        "models; mean and 95 % interval over training sets. Dotted: posterior samples of a "
        "network and of a "
        "Gaussian prior. Stars: those of the paper's networks.",
        "Table 1: 256, 146 and 13 of 256 samples for N = 50, 200, 1000, read as memorization that "
        "fades with data.",
        "extension",
    ),
    "linearized": Figure(
        "closed_forms",
        ("linearized",),
        "Full waveform inversion, linearized at every example",
        "Misfit and velocity error at the mean of the heaviest component, and how good a proposal "
        "that component "
        "is; mean and 95 % interval over training sets. The closed form holds where it is "
        "collapsed; where data "
        "move it, it does not.",
        "Not shown there for the inversion.",
        "extension",
    ),
    "schedules": Figure(
        "closed_forms",
        ("schedules",),
        "The noise schedule",
        "Samples of exact denoisers, one point per training set: spread along the leading "
        "direction of a Gaussian "
        "prior, and distance of the exact posterior sampler's frequencies from the lookup weights.",
        "The published schedule ends at a signal of 13 %.",
        "extension",
    ),
    "transition": Figure(
        "priors",
        ("networks",),
        "From how many models on a network no longer memorizes",
        "Share of a prior's samples that are memorized, by a strict ratio (a), the 1 % quantile "
        "of held-out draws (b) "
        "and the published threshold (c, with its null), and the gap between held-out and "
        "training loss (d), against "
        "the number of training models. Networks differ in what they predict alone; mean and 95 % "
        "interval over "
        "training sets.",
        "Not shown there: its rate is that of panel c, without the null.",
        "extension",
    ),
    "pairs": Figure(
        "priors",
        ("library", "prior_samples", "samples", "scores"),
        "Samples and their nearest training models",
        "Samples with the smallest ratios r and different nearest models, above those models, for "
        "the smallest sets.",
        "Figure 2: samples look like training models.",
        "paper",
    ),
    "posteriors": Figure(
        "priors",
        ("library", "samples"),
        "Posteriors of networks that predict noise",
        "First training set, truth a mean of three training models: posterior mean, spread, error "
        "of the mean and the "
        "first two coordinates by number of training models; left, error against spread in bins, "
        "of cells and of "
        "coordinates. Few samples at laptop scale.",
        "Figure 3: spread and error fall with N; every curve is below the diagonal.",
        "paper",
    ),
    "descents": Figure(
        "priors",
        ("descents",),
        "Misfit on the way to a sample",
        "Misfit of the clean model predicted at time t, before the data step; one line per "
        "training set.",
        "Figure 3: from 44, 26 and 18 times the floor to 2.7, 1.8 and 1.3 for N = 50, 200, 1000.",
        "paper",
    ),
    "outcomes": Figure(
        "priors",
        ("samples", "lookups"),
        "What posterior samples are worth",
        "Misfit and velocity error of every sample by prior, and of two references; bars are "
        "medians. Memorized priors "
        "return training models that fit badly; priors that generalize fit nearly to the noise.",
        "Not shown there by prior.",
        "extension",
    ),
    "steps": Figure(
        "priors",
        ("samples", "scores"),
        "The data step decides what is found",
        "Posterior samples of the closed form (N = 50 at laptop scale) and of a Gaussian prior "
        "against the length of a "
        "data step; mean and 95 % interval over training sets of medians.",
        "Two lengths were published, 0.07 and 0.1.",
        "extension",
    ),
    "time_domain": Figure(
        "priors",
        ("time_domain",),
        "Acoustic shots, layered models",
        "True model, the example that the exact lookup chooses, a sample under the memorized "
        "prior and one under a "
        "broad Gaussian; one row per truth.",
        "Not shown there.",
        "extension",
    ),
}
