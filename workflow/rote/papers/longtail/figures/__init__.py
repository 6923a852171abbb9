"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "linear_risk": Figure(
        "linear",
        ("linear_sweep", "linear_sets"),
        "Min-norm regression on power-law features (Figure 1)",
        "Mean over replicates with 95 % intervals. Rare pairs: "
        "two features of F-hat (rare features that are alone in some row) forced to be non-zero; "
        "grey: two features seen exactly once.",
        "Error of seen rare features proportional to the noise; "
        "common features learnt well unless α is near 1; loss on fresh data and on rare "
        "combinations low for large α, nearly the same for σ = 0 and 0.05, rising at α = 1.",
        "paper",
    ),
    "rare_digit": Figure(
        "network",
        ("network",),
        "More examples of a rare digit (Figure 2)",
        "Test loss against the number of training triples that hold a 9. "
        "a-c: 9s from held-out images; d: two 9s whose images were trained on, "
        "in triples that were not. No weight decay, but for the crosses.",
        "The three networks that encode each image alone have low loss on triples with 9s, "
        "the cross-channel network a far higher one; "
        "the loss falls as the rare digit gets more frequent.",
        "paper",
    ),
    "isolation": Figure(
        "network",
        ("network",),
        "Memorization isolated (Table 1)",
        "Ten symbols, each in exactly one training triple; "
        "tested on triples with two of them. Small dots are replicates, "
        "crosses the published values for MNIST, Omniglot and ResNet-18.",
        "Without weight decay, networks that encode each image alone reach a loss "
        "below 0.2 on two one-off symbols, and 5 to 16 times more with it; "
        "the cross-channel network stays at 23, worse than the best constant.",
        "paper",
    ),
    "weight_decay": Figure(
        "network",
        ("network",),
        "The whole range of weight decays",
        "The sum network on four sets. Stronger decay first unlearns the one-off rows, then their "
        "combinations, last the common digits.",
        "Two decays only, 0 and 0.5.",
        "reconstruction",
    ),
    "ridge": Figure(
        "linear",
        ("linear_sweep", "linear_sets"),
        "Ridge, the linear counterpart of weight decay",
        "Loss against the penalty for each noise level. "
        "Dashed: the predicted best penalty for one-off features.",
        "Not in the paper.",
        "extension",
    ),
    "shrinkage": Figure(
        "linear",
        ("linear_shrinkage",),
        "Why ridge forgets the rare",
        "Noiseless ridge coefficients of common and isolated rare features, "
        "in octaves of their count.",
        "Not in the paper.",
        "extension",
    ),
    "ranks": Figure(
        "linear",
        ("linear_ranks",),
        "Which features are seen, and which recovered",
        "Share of the features of each rank bin that occur in training, "
        "and that min-norm recovers exactly at σ = 0.",
        "States that most seen rare features are recovered unless the decay is slow.",
        "reconstruction",
    ),
    "scaling": Figure(
        "linear",
        ("scaling",),
        "How the loss falls with data",
        "Min-norm loss without noise. "
        "Lines have the predicted exponent -(1 - 1/α) - 2b/α and the measured mean.",
        "A bound of order s (log² d / (n s))^(1 - 1/α) on the noiseless loss.",
        "reconstruction",
    ),
    "interpolators": Figure(
        "linear",
        ("interpolators",),
        "Any linear interpolator composes, others do not",
        "Loss on fresh data and on pairs of one-off features, α = 2, no noise.",
        "Min-norm only.",
        "extension",
    ),
    "structure": Figure(
        "network",
        ("interpolators", "kernel"),
        "Taking structure away",
        "a, b: kernels mixed from an additive and a monolithic part; every training row is fitted "
        "exactly at every ρ. c: min-norm when the truth holds products of rare features.",
        "Compares compositional with mixing architectures, nothing in between.",
        "extension",
    ),
    "companions": Figure(
        "network",
        ("network", "kernel"),
        "Credit assignment",
        "One-off symbols trained beside common, usual or rare digits. "
        "All rows are fitted, but beside rare digits the credit is shared out wrongly.",
        "The theory needs rows with at most one rare feature; not tested on networks.",
        "extension",
    ),
    "memorization": Figure(
        "network",
        ("linear_sweep", "linear_sets", "kernel"),
        "Degrees of memorization",
        "Loss of each part of the test distribution against how far one-off rows are memorized.",
        "Memorization on or off.",
        "extension",
    ),
    "early_stopping": Figure(
        "linear",
        ("descent",),
        "Early stopping forgets the rare, too",
        "Gradient descent from zero, step 1/L with L the largest eigenvalue of XᵀX, without noise.",
        "Gradient descent from zero as the reason for min-norm.",
        "extension",
    ),
    "leave_one_out": Figure(
        "linear",
        ("leave_one_out",),
        "Leave-one-out influence in closed form",
        "Residual of a row under the min-norm fit to all others. Rows with a one-off feature "
        "are fitted exactly, and missed by about their coefficient once left out.",
        "Not in the paper; a reviewer asked for influence.",
        "extension",
    ),
}
