"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "baseline": Figure(
        module="theory",
        tables=("curves", "simulations"),
        title="Figure 1: ridge regression on the raw tokens",
        caption="Line: theory; squares: simulation with 95 % intervals, hollow where fewer than "
        "ten eigenvalues make the error (not in the strips below, which show what is off theory). "
        "Beyond p = n (vertical) everything can be fitted.",
        paper_shows="Its Figure 1, with these parameters; b and c at smaller n here.",
        origin="paper",
    ),
    "attention": Figure(
        module="theory",
        tables=("curves", "simulations"),
        title="Figure 2: nonlinear attention against ridge regression",
        caption="Same panels, and the gap over the ridge. Markers: simulation for tanh without and "
        "with weights along the signal; strips: simulation against theory. "
        "At the right end of c the signal is too strong for the theory.",
        paper_shows="The same curves with nonlinear attention; f and weights are our choice.",
        origin="reconstruction",
    ),
    "nonlinearity": Figure(
        module="theory",
        tables=("curves", "simulations"),
        title="Figure 3: which nonlinearity memorizes",
        caption="p/n = 4. a-c: without signal, with ||μ||² = 4, and with weights along it. d: "
        "functions of equal variance with a growing linear part. Strips: what simulations are off "
        "theory, side by side.",
        paper_shows="The linear part of f carries the memorization of structured inputs; cos does "
        "badly.",
        origin="reconstruction",
    ),
    "alignment": Figure(
        module="theory",
        tables=("curves", "simulations"),
        title="Figure 4: weights along the signal",
        caption="tanh, p/n = 4, ||μ||² = 4. Dashed: ridge regression at the same γ. "
        "Strong spikes (a, right) leave the theory's range: s = μᵀWμ/√p is no longer small.",
        paper_shows="The gap shrinks and can change sign when the weights align with the signal.",
        origin="reconstruction",
    ),
    "spectrum": Figure(
        module="theory",
        tables=("spectrum",),
        title="Figure 5: eigenvalues of the attention kernel",
        caption="One kernel each, diagonal zero, no signal; dashed: the limiting density, "
        "without the atom of linear f at p < n, which finite n widens; strips: histogram "
        "minus density.",
        paper_shows="Known from the literature on kernel matrices.",
        origin="reconstruction",
    ),
    "phase": Figure(
        module="theory",
        tables=("phase",),
        title="Attention against ridge regression over p/n and ridge",
        caption="Theory at equal γ. Red: attention is worse, blue: better, line: equal.",
        paper_shows="On random inputs attention typically has the higher error.",
        origin="extension",
    ),
    "power": Figure(
        module="theory",
        tables=("curves",),
        title="Attention against ridge regression at equal feature power, on noise",
        caption="The ridge of attention is scaled by the power of its features, ϱ = (ν + a1²/c)/c.",
        paper_shows="Not in the paper; a scale-free form of its first finding.",
        origin="extension",
    ),
    "verification": Figure(
        module="theory",
        tables=("simulations",),
        title="Theory against simulation",
        caption="Fresh contexts in every row; bars are 95 % intervals. Below: simulation over "
        "theory, minus 1.",
        paper_shows="Agreement at n, p of a few hundred to thousands.",
        origin="reconstruction",
    ),
    "strong": Figure(
        module="extensions",
        tables=("variants",),
        title="Strong signals, beyond the theory's range",
        caption="n = 4p, γ = 1e-5; s is the signal's entry in the kernel. The theory for "
        "||μ|| = O(1) gives 1.",
        paper_shows="Not in the paper.",
        origin="extension",
    ),
    "variants": Figure(
        module="extensions",
        tables=("variants",),
        title="Beyond the model: labels, softmax, dense and several heads, anisotropic tokens",
        caption="Bars: a theory of its own for each, where it was simulated; strips: what is "
        "between them. Plain softmax is the identity by "
        "construction.",
        paper_shows="Reviewers asked for softmax; the rest is not in the paper.",
        origin="extension",
    ),
    "trained": Figure(
        module="extensions",
        tables=("trained",),
        title="Learnt weights and the signal",
        caption="Unit-length w_K and w_Q under descent of the limit, on fresh contexts, and on one "
        "context, measured there and on others.",
        paper_shows="Weights are fixed in the paper.",
        origin="extension",
    ),
    "embeddings": Figure(
        module="extensions",
        tables=("embeddings",),
        title="Real inputs as tokens",
        caption="a: random labels, with the theory for the measured covariance (bars). b: what is "
        "between them, and the distance from the theory for isotropic tokens. "
        "c, d: gap to ridge regression on the same contexts.",
        paper_shows="Mentions GPT-2 weights briefly; no details are known.",
        origin="extension",
    ),
    "heads": Figure(
        module="extensions",
        tables=("heads",),
        title="Heads of language models on their activations",
        caption="A dot is a head of one model at one ridge. Across: what theory predicts from its "
        "activations and scores, with functions of the scores beyond the linear part as noise "
        "(filled) or beyond order 3 (hollow). Line: as predicted. Grey: theory for size and f "
        "alone.",
        paper_shows="Mentions GPT-2 weights briefly; no details are known.",
        origin="extension",
    ),
}
