"""The paper's figures: what each needs, shows, and is drawn by."""

from rote.core.papers import Figure

FIGURES: dict[str, Figure] = {
    "cramming": Figure(
        module="plots",
        tables=("runs",),
        title="Facts recited against facts given",
        caption="Standard training, selection by loss, and as many random facts. Solid: the limit "
        "of rate and distortion at the measured capacity; dashed: whole facts; dotted: the "
        "capacity spread evenly over all facts.",
        paper_shows="Fact accuracy falls below the capacity limit "
        "when the facts hold more information than the model can.",
        origin="reconstruction",
    ),
    "bits": Figure(
        module="plots",
        tables=("runs",),
        title="Bits stored, and bits in whole facts",
        caption="Bits stored per parameter, and those that belong to facts recited whole.",
        paper_shows="An information-theoretic account of fact memorization.",
        origin="reconstruction",
    ),
    "skewed": Figure(
        module="plots",
        tables=("runs",),
        title="Power-law frequencies",
        caption="a, b: all schemes at exponent 1; line: the measured capacity in facts. "
        "Offline schemes train on a data set that was chosen "
        "from the losses of a finished network. c: by exponent.",
        paper_shows="Skewed frequencies make it worse; "
        "loss-based selection limits the number of facts and flattens frequencies.",
        origin="reconstruction",
    ),
    "ranks": Figure(
        module="plots",
        tables=("runs", "trained", "facts"),
        parts=("pruned",),
        title="Who is remembered",
        caption="Share of facts recited by frequency rank (exponent 1); "
        "dashed: the optimum for weighted accuracy.",
        paper_shows="Not known.",
        origin="reconstruction",
    ),
    "losses": Figure(
        module="plots",
        tables=("runs", "trained", "facts"),
        title="Losses of single facts",
        caption="Distribution of the losses of single facts, "
        "with standard training and with selection.",
        paper_shows="Not known.",
        origin="reconstruction",
    ),
    "shares": Figure(
        module="plots",
        tables=("runs", "shares"),
        title="The controller at work",
        caption="Share of the candidates that automatic selection admits; bands: range over "
        "replicates; dashed: power laws of frequencies.",
        paper_shows="Not known.",
        origin="extension",
    ),
    "ladder": Figure(
        module="plots",
        tables=("runs",),
        parts=("ladder",),
        title="Selection against size",
        caption="Facts recited by network size, each at the learning rate that stores most; "
        "dotted: networks with selection. c: bits stored by size and length of training; "
        "a large network may hold more than it was given.",
        paper_shows="A GPT2-small with pruned data matches a model ten times larger (not run "
        "here).",
        origin="reconstruction",
    ),
    "compute": Figure(
        module="plots",
        tables=("runs",),
        title="Facts recited against compute",
        caption="Exponent 1, both accountings. Hollow: standard training for more steps, "
        "the curve that gains at equal examples and equal work are read off.",
        paper_shows="Not known.",
        origin="extension",
    ),
    "flattening": Figure(
        module="plots",
        tables=("runs", "trained"),
        parts=("schemes",),
        title="Frequencies before and after",
        caption="How often facts are trained on against their copies in the data, exponent 1; "
        "arrows: never.",
        paper_shows="Selection flattens the frequency distribution.",
        origin="reconstruction",
    ),
}
