# Paths of the rules of memorized priors, and the networks of a prior.

INVERSION = "results/{run}/inversion"
INVERSION_PRIORS = rote_papers.load("inversion", "priors").PRIORS
INVERSION_PREDICTIONS = rote_papers.load("inversion", "priors").PREDICTIONS


def inversion_networks(wildcards):
    """The networks of a prior, if it has any."""
    prediction = INVERSION_PRIORS[wildcards.prior].prediction
    folder = f"results/{wildcards.run}/inversion/networks"
    return f"{folder}/{prediction.name}.safetensors" if prediction else []


def inversion_networks_option(wildcards, input):
    """Parameter: the option that names them."""
    return f"--networks {input.networks}" if input.networks else ""
