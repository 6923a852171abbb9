# Paths of the rules of memorized priors, and the networks of a prior.

INVERSION = "results/{run}/inversion"
INVERSION_PRIORS = rote_papers.load("inversion", "priors").PRIORS
INVERSION_PREDICTIONS = rote_papers.load("inversion", "priors").PREDICTIONS
INVERSION_NETWORKS = [
    f"{INVERSION}/networks/{prediction}.safetensors"
    for prediction in INVERSION_PREDICTIONS
]
INVERSION_PARTS = [  # what was sampled under each prior
    f"{INVERSION}/posteriors/{table}_{prior}.parquet"
    for table in ("samples", "descents")
    for prior in INVERSION_PRIORS
]
# what takes seconds each, in one job
INVERSION_OPERATORS = [
    ("inversion solve-operators --out {output.out:q}", "job"),
    (
        "inversion solve-linearized --models {input.models:q} --out {output.linearized:q}",
        "job_linear",
    ),
    (
        "inversion evaluate-rates --models {input.models:q} --rates {output.rates:q}"
        " --ratios {output.ratios:q}",
        "job_rates",
    ),
]


def inversion_networks(wildcards):
    """The networks of a prior, if it has any."""
    prediction = INVERSION_PRIORS[wildcards.prior].prediction
    folder = f"results/{wildcards.run}/inversion/networks"
    return f"{folder}/{prediction.name}.safetensors" if prediction else []


def inversion_networks_option(wildcards, input):
    """Parameter: the option that names them."""
    return f"--networks {input.networks}" if input.networks else ""


def inversion_all_networks_option(wildcards, input):
    """Parameter: the options that name the networks of every prediction."""
    return " ".join(f"--networks {path}" for path in input.networks)
