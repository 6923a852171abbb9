"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "baseline": Figure(
        "theory",
        ("curves", "simulations"),
        "Figure 1: ridge regression on the raw tokens",
        "Line: theory; dots: simulation with 95 % intervals. "
        "Beyond p = n (vertical) everything can be fitted.",
        "Its Figure 1, with these parameters; b and c at smaller n here.",
        "paper",
    ),
    "attention": Figure(
        "theory",
        ("curves", "simulations"),
        "Figure 2: nonlinear attention against ridge regression",
        "Same panels. Dots: simulation for tanh without and with weights along the signal. "
        "Where p > n attention stays near C√γ. "
        "At the right end of c the signal is too strong for the theory.",
        "The same curves with nonlinear attention; f and weights are our choice.",
        "reconstruction",
    ),
    "nonlinearity": Figure(
        "theory",
        ("curves", "simulations"),
        "Figure 3: which nonlinearity memorizes",
        "p/n = 4. a-c: without signal, with ||μ||² = 4, and with weights along it. d: at equal "
        "variance, the linear part is slightly harmful for noise and decides for structure.",
        "The linear part of f carries the memorization of structured inputs; cos does badly.",
        "reconstruction",
    ),
    "alignment": Figure(
        "theory",
        ("curves", "simulations"),
        "Figure 4: weights along the signal close and reverse the gap",
        "tanh, p/n = 4, ||μ||² = 4. Dashed: ridge regression at the same γ. "
        "Strong spikes (a, right) leave the theory's range: s = μᵀWμ/√p is no longer small.",
        "The gap shrinks and can change sign when the weights align with the signal.",
        "reconstruction",
    ),
    "spectrum": Figure(
        "theory",
        ("spectrum",),
        "Figure 5: eigenvalues of the attention kernel",
        "One kernel each, diagonal zero, no signal; dashed: the limiting density, "
        "without its atom for linear f at p < n. It is positive at 0, hence the law √γ.",
        "Known from the literature on kernel matrices.",
        "reconstruction",
    ),
    "phase": Figure(
        "theory",
        ("phase",),
        "Where attention memorizes better than ridge regression",
        "Theory at equal γ. Red: attention is worse, blue: better, line: equal. Pure noise turns "
        "blue too where γ is large and p/n small: attention rescales its features.",
        "On random inputs attention typically has the higher error.",
        "extension",
    ),
    "power": Figure(
        "theory",
        ("curves",),
        "At equal feature power attention is worse on noise, always",
        "The ridge of attention is scaled by the power of its features, ϱ = (ν + a1²/c)/c.",
        "Not in the paper; the form of its first finding that has no exception here.",
        "extension",
    ),
    "verification": Figure(
        "theory",
        ("simulations",),
        "Theory against simulation",
        "Fresh contexts in every row; bars are 95 % intervals.",
        "Agreement at n, p of a few hundred to thousands.",
        "reconstruction",
    ),
    "strong": Figure(
        "extensions",
        ("variants",),
        "A strong signal reverses the gap without any ridge",
        "n = 4p, γ = 1e-5. Saturating attention beats ridge regression once the signal reaches "
        "the nonlinearity; linear attention never does. The theory for ||μ|| = O(1) gives 1.",
        "Not in the paper.",
        "extension",
    ),
    "variants": Figure(
        "extensions",
        ("variants",),
        "Beyond the model: labels, softmax, dense and several heads, anisotropic tokens",
        "Dashed: a theory of its own for each. Plain softmax is the identity; "
        "at power law 1 the theory fails.",
        "Reviewers asked for softmax; the rest is not in the paper.",
        "extension",
    ),
    "trained": Figure(
        "extensions",
        ("trained",),
        "Learnt weights find the signal",
        "Unit-length w_K and w_Q. Descent of the limit and on fresh contexts aligns both "
        "with the signal, the query first; on one context it fits that context and no other.",
        "Weights are fixed in the paper.",
        "extension",
    ),
    "embeddings": Figure(
        "extensions",
        ("embeddings",),
        "Real inputs as tokens",
        "a: random labels, with the theory for isotropic tokens and for the measured covariance. "
        "b, c: gap to ridge regression on the same contexts.",
        "Mentions GPT-2 weights briefly; no details are known.",
        "extension",
    ),
}
