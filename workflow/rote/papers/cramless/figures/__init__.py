"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "cramming": Figure(
        "plots",
        ("runs",),
        "Too many facts: fewer are recited than would fit",
        "Standard training against selection by loss. Dashed: as many whole facts as the measured "
        "capacity holds (vertical); dotted: the capacity spread evenly over all facts.",
        "Fact accuracy falls below the capacity limit "
        "when the facts hold more information than the model can.",
        "reconstruction",
    ),
    "bits": Figure(
        "plots",
        ("runs",),
        "The information is there, but not in whole facts",
        "Bits stored per parameter, and those that belong to facts recited whole.",
        "An information-theoretic account of fact memorization.",
        "reconstruction",
    ),
    "skewed": Figure(
        "plots",
        ("runs",),
        "Power-law frequencies",
        "a, b: all schemes at exponent 1; dashed: the measured capacity in facts. "
        "Offline schemes train on a data set that was chosen "
        "from the losses of a finished network. c: by exponent.",
        "Skewed frequencies make it worse; "
        "loss-based selection limits the number of facts and flattens frequencies.",
        "reconstruction",
    ),
    "ranks": Figure(
        "plots",
        ("runs", "trained", "facts"),
        "Who is remembered",
        "Share of facts recited by frequency rank (exponent 1); "
        "dashed: the optimum for weighted accuracy.",
        "Not known.",
        "reconstruction",
    ),
    "losses": Figure(
        "plots",
        ("runs", "trained", "facts"),
        "One hump or two",
        "Loss of single facts. Standard training knows a bit of everything; "
        "selection knows facts or does not.",
        "Not known.",
        "reconstruction",
    ),
    "shares": Figure(
        "plots",
        ("runs", "shares"),
        "The controller at work",
        "Share of the candidates that automatic selection admits; bands: range over replicates. "
        "It returns to 1 where everything fits.",
        "Not known.",
        "extension",
    ),
    "ladder": Figure(
        "plots",
        ("runs",),
        "Selection against size",
        "a: facts recited by network size, exponent 1; dotted: the base network with selection. "
        "b: capacity by size.",
        "A GPT2-small with pruned data matches a model ten times larger (not run here).",
        "reconstruction",
    ),
    "compute": Figure(
        "plots",
        ("runs",),
        "It is not a matter of compute",
        "Exponent 1. Squares: standard training for several times the steps.",
        "Not known.",
        "extension",
    ),
    "flattening": Figure(
        "plots",
        ("runs", "trained"),
        "Frequencies before and after",
        "How often facts are trained on against their copies in the data, exponent 1.",
        "Selection flattens the frequency distribution.",
        "reconstruction",
    ),
}
