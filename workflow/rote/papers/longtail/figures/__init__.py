"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "linear_risk": Figure(
        module="linear",
        tables=("linear_sweep", "linear_sets"),
        title="Min-norm regression on power-law features (Figure 1)",
        caption="Mean over replicates with 95 % intervals. Rare pairs: "
        "two features of F-hat (rare features that are alone in some row) forced to be non-zero; "
        "grey: two features seen exactly once.",
        paper_shows="Error of seen rare features proportional to the noise; "
        "common features learnt well unless α is near 1; loss on fresh data and on rare "
        "combinations low for large α, nearly the same for σ = 0 and 0.05, rising at α = 1.",
        origin="paper",
    ),
    "rare_digit": Figure(
        module="network",
        tables=("network",),
        title="More examples of a rare digit (Figure 2)",
        caption="Test loss against the number of training triples that hold a 9. "
        "a-c: 9s from held-out images; d: two 9s whose images were trained on, "
        "in triples that were not. No weight decay, but for the crosses.",
        paper_shows="The three networks that encode each image alone have low loss on triples "
        "with 9s, "
        "the cross-channel network a far higher one; "
        "the loss falls as the rare digit gets more frequent.",
        origin="paper",
    ),
    "isolation": Figure(
        module="network",
        tables=("network", "decays"),
        title="Memorization isolated (Table 1)",
        caption="Ten symbols, each in exactly one training triple; "
        "tested on triples with two of them. Red: the weight decay that leaves the ten triples "
        "above 0.5 label² in training and all of training below, where one does. Small dots are "
        "replicates, crosses the published values for MNIST, Omniglot and ResNet-18.",
        paper_shows="Without weight decay, networks that encode each image alone reach a loss "
        "below 0.2 on two one-off symbols, and 5 to 16 times more with it; "
        "the cross-channel network stays at 23, worse than the best constant.",
        origin="paper",
    ),
    "weight_decay": Figure(
        module="network",
        tables=("network", "decays"),
        title="The whole range of weight decays",
        caption="Every architecture on four sets: pairs of one-off symbols, their training "
        "triples, fresh digits and all training triples. Dotted: 0.5 label², which separates what "
        "is memorized and what is fitted.",
        paper_shows="Two decays only, 0 and 0.5.",
        origin="reconstruction",
    ),
    "ridge": Figure(
        module="linear",
        tables=("linear_sweep", "linear_sets"),
        title="Ridge, the linear counterpart of weight decay",
        caption="Loss against the penalty for each noise level. "
        "Dashed: the predicted best penalty for one-off features.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
    "shrinkage": Figure(
        module="linear",
        tables=("linear_shrinkage",),
        title="What ridge leaves of a coefficient",
        caption="Noiseless ridge coefficients of common and isolated rare features, "
        "in octaves of their count.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
    "ranks": Figure(
        module="linear",
        tables=("linear_ranks",),
        title="Which features are seen, and which recovered",
        caption="Share of the features of each rank bin that occur in training, "
        "and that min-norm recovers exactly at σ = 0.",
        paper_shows="States that most seen rare features are recovered unless the decay is slow.",
        origin="reconstruction",
    ),
    "scaling": Figure(
        module="linear",
        tables=("scaling",),
        title="How the loss falls with data",
        caption="Min-norm loss without noise. "
        "Lines have the predicted exponent -(1 - 1/α) - 2b/α and the measured mean.",
        paper_shows="A bound of order s (log² d / (n s))^(1 - 1/α) on the noiseless loss.",
        origin="reconstruction",
    ),
    "interpolators": Figure(
        module="linear",
        tables=("interpolators",),
        title="Linear and other interpolators",
        caption="Loss on fresh data and on pairs of one-off features, α = 2, no noise.",
        paper_shows="Min-norm only.",
        origin="extension",
    ),
    "structure": Figure(
        module="network",
        tables=("interpolators", "kernel"),
        title="Taking structure away",
        caption="a, b: kernels mixed from an additive and a monolithic part; every training row "
        "is fitted "
        "exactly at every ρ. c: min-norm when the truth holds products of rare features.",
        paper_shows="Compares compositional with mixing architectures, nothing in between.",
        origin="extension",
    ),
    "companions": Figure(
        module="network",
        tables=("network", "kernel"),
        title="Credit assignment",
        caption="One-off symbols trained beside common, usual or rare digits: loss on pairs of "
        "them, and on the rows that they were trained in.",
        paper_shows="The theory needs rows with at most one rare feature; not tested on networks.",
        origin="extension",
    ),
    "degrees": Figure(
        module="structure",
        tables=("network",),
        parts=("degrees",),
        title="Structure by degrees",
        caption="Networks with as many parameters each, trained on ten one-off symbols without "
        "weight decay. b: each slot of the sum network sees ρ times the other images, too.",
        paper_shows="Three networks that encode images alone and one that mixes them.",
        origin="extension",
    ),
    "network_influence": Figure(
        module="structure",
        tables=("network",),
        parts=("extensions",),
        title="Leave-out influence of networks",
        caption="The sum network at several weight decays. Influence: each one-off triple is in "
        "one of two networks that are trained on half of the ten.",
        paper_shows="Memorization on or off; a reviewer asked for influence.",
        origin="extension",
    ),
    "wrong_labels": Figure(
        module="structure",
        tables=("network", "decays"),
        parts=("extensions",),
        title="Memorizing wrong labels",
        caption="The sum network; some of the ten one-off symbols have a wrong label in training.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
    "sizes": Figure(
        module="structure",
        tables=("sizes",),
        title="Width and length of training",
        caption="Pairs of one-off symbols, no weight decay; both networks have as many parameters.",
        paper_shows="One size of network.",
        origin="extension",
    ),
    "attributes": Figure(
        module="structure",
        tables=("scenes",),
        title="Scenes of objects with attributes",
        caption="Three objects a scene, whose shapes and colours have a long tail; the sum of "
        "their values is learnt. Two rare objects are a combination across encoders, a rare shape "
        "in a rare colour is one within an encoder.",
        paper_shows="Images of digits; natural compositional data are named as a next step.",
        origin="extension",
    ),
    "memorization": Figure(
        module="network",
        tables=("linear_sweep", "linear_sets", "influence", "kernel"),
        title="Degrees of memorization",
        caption="Loss of each part of the test distribution against how far one-off rows are "
        "memorized: their mean hat diagonal, as measured.",
        paper_shows="Memorization on or off.",
        origin="extension",
    ),
    "early_stopping": Figure(
        module="linear",
        tables=("descent",),
        title="Early stopping and one-off features",
        caption="Gradient descent from zero, step 1/L with L the largest eigenvalue of XᵀX, "
        "without noise.",
        paper_shows="Gradient descent from zero as the reason for min-norm.",
        origin="extension",
    ),
    "leave_one_out": Figure(
        module="linear",
        tables=("leave_one_out",),
        title="Leave-one-out influence in closed form",
        caption="Residual of a row under the min-norm fit to all others, "
        "for rows with a one-off feature and others.",
        paper_shows="Not in the paper; a reviewer asked for influence.",
        origin="extension",
    ),
}
