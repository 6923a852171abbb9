"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "stylized": Figure(
        module="closed_forms",
        tables=("densities", "planes"),
        title="Posteriors of the stylized problems",
        caption=(
            "Exact posterior, its linearized mixture, "
            "prior and scaled likelihood as the components shrink: "
            "in one dimension (above) and in two (contours at 10 % and 50 % of the maximum)."
        ),
        paper_shows=(
            "Figure 1: one bump becomes equal spikes at the two examples that fit; "
            "in two dimensions mass moves from near the truth onto an example."
        ),
        origin="paper",
    ),
    "convergence": Figure(
        module="closed_forms",
        tables=("stylized",),
        title="Where the closed forms hold",
        caption=(
            "a: distance of the linearized mixture from the exact posterior, "
            "with and without the determinant in the weights. b: distance of the exact posterior "
            "from the lookup, over the width. c: distance of the posterior mean to the truth."
        ),
        paper_shows="Not shown there; the weights without the determinant are those of its code.",
        origin="extension",
    ),
    "components": Figure(
        module="closed_forms",
        tables=("components",),
        title="How many examples share a posterior",
        caption=(
            "Effective number of components of the one-dimensional problem against their width; "
            "markers at the predicted critical width; "
            "the line, the usual last noise level of a diffusion model."
        ),
        paper_shows="In the released code only.",
        origin="reconstruction",
    ),
    "ratios": Figure(
        module="closed_forms",
        tables=("ratios", "scores"),
        title="The published ratio of models that nothing memorized",
        caption=(
            "Distance to the nearest training model over the mean distance to the next ones. "
            "Shaded: called memorized. Fresh draws of the generator, training models against "
            "the others, means of three, the true model. Markers below: posterior samples under "
            "the network that predicts noise and under a Gaussian prior, which cannot memorize."
        ),
        paper_shows="Histograms of posterior samples, in the released code.",
        origin="extension",
    ),
    "rates": Figure(
        module="closed_forms",
        tables=("rates", "scores"),
        title="The published rate of sets that nothing memorized",
        caption=(
            "Share of models below the threshold, for sets that cannot be memorized, "
            "against the number of training models; mean and 95 % interval over training sets. "
            "Hollow: posterior samples of a network and of a Gaussian prior. "
            "Stars: those of the paper's networks."
        ),
        paper_shows=(
            "Table 1: 256, 146 and 13 of 256 samples for N = 50, 200, 1000, read as memorization "
            "that fades with data."
        ),
        origin="extension",
    ),
    "linearized": Figure(
        module="closed_forms",
        tables=("linearized",),
        title="Full waveform inversion, linearized at every example",
        caption=(
            "Misfit and velocity error at the mean of the heaviest component; how good a proposal "
            "that component is, and how often it is still that of the lookup's example; "
            "mean and 95 % interval over training sets."
        ),
        paper_shows="Not shown there for the inversion.",
        origin="extension",
    ),
    "schedules": Figure(
        module="closed_forms",
        tables=("schedules",),
        title="The noise schedule",
        caption=(
            "Samples of exact denoisers, one point per training set: "
            "spread along the leading direction of a Gaussian prior, "
            "and distance of the exact posterior sampler's frequencies from the lookup weights."
        ),
        paper_shows="The published schedule ends at a signal of 13 %.",
        origin="extension",
    ),
    "transition": Figure(
        module="priors",
        tables=("networks",),
        title="From how many models on a network no longer memorizes",
        caption=(
            "Share of a prior's samples that are memorized, by a strict ratio (a), "
            "the 1 % quantile of held-out draws (b) and the published threshold "
            "(c, with its null), and the gap between held-out and training loss (d), "
            "against the number of training models. Networks differ in what they predict alone; "
            "mean and 95 % interval over training sets."
        ),
        paper_shows="Not shown there: its rate is that of panel c, without the null.",
        origin="extension",
    ),
    "pairs": Figure(
        module="priors",
        tables=("library", "prior_samples", "samples", "scores"),
        title="Samples and their nearest training models",
        caption=(
            "Samples with the smallest ratios r and different nearest models, above those models, "
            "for the smallest sets."
        ),
        paper_shows="Figure 2: samples look like training models.",
        origin="paper",
    ),
    "posteriors": Figure(
        module="priors",
        tables=("library", "samples", "descents"),
        title="Posteriors of networks that predict noise",
        caption=(
            "a, b, d, f, h: first training set, truth a mean of three training models: mean, "
            "spread, error of the mean and the first two coordinates by number of training models; "
            "colours of velocity as published. c, e: error against spread in bins of equal count, "
            "of all data sets. g: misfit on the way, mean of all data sets."
        ),
        paper_shows="Figure 3: spread and error fall with N; every curve is below the diagonal.",
        origin="paper",
    ),
    "sizes": Figure(
        module="calibration",
        tables=("samples", "library"),
        title="Spread, misfit and error against the number of training models",
        caption=(
            "Posterior samples of trained networks, truth a mean of three training models; mean "
            "and 95 % interval over data sets. Stars: the published networks', 51 million numbers "
            "each; their spread is that of the cells that spread most."
        ),
        paper_shows="Figure 3: spread, misfit and error fall with N.",
        origin="paper",
    ),
    "calibration": Figure(
        module="calibration",
        tables=("samples", "library"),
        title="Ranks of the truth among posterior samples",
        caption=(
            "Rank of each coordinate of the truth among the samples of its data set, over all data "
            "sets and coordinates. Dashed: calibrated. A hump: samples spread too far, as they "
            "must for a mean of three models; a trough: too little."
        ),
        paper_shows="Figure 3: error against spread for one truth, every curve below the diagonal.",
        origin="extension",
    ),
    "descents": Figure(
        module="priors",
        tables=("descents",),
        title="Misfit on the way to a sample",
        caption=(
            "Misfit of the clean model predicted at time t, before the data step; "
            "one line per training set."
        ),
        paper_shows=(
            "Figure 3: from 44, 26 and 18 times the floor "
            "to 2.7, 1.8 and 1.3 for N = 50, 200, 1000."
        ),
        origin="paper",
    ),
    "outcomes": Figure(
        module="priors",
        tables=("samples", "lookups"),
        title="What posterior samples are worth",
        caption=(
            "Misfit and velocity error of every sample by prior, and without diffusion: constant "
            "background, exact lookup, Laplace and randomized maximum likelihood under the "
            "Gaussian prior; bars are medians."
        ),
        paper_shows="Not shown there by prior.",
        origin="extension",
    ),
    "steps": Figure(
        module="priors",
        tables=("samples", "scores"),
        title="What data steps of several lengths find",
        caption=(
            "Posterior samples of the closed form "
            "(N = 50 at laptop scale) and of a Gaussian prior against the length of a data step; "
            "mean and 95 % interval over training sets of medians."
        ),
        paper_shows="Two lengths were published, 0.07 and 0.1.",
        origin="extension",
    ),
    "time_domain": Figure(
        module="priors",
        tables=("time_domain",),
        title="Acoustic shots, layered models",
        caption=(
            "True model, the example that the exact lookup chooses, a sample under the memorized "
            "prior and one under a broad Gaussian; one row per truth."
        ),
        paper_shows="Not shown there.",
        origin="extension",
    ),
}
