# The worlds and networks of the chain in this run.

from rote.papers.chain import plan as chain_plan

CHAIN = "results/{run}/chain"
CHAIN_WORLDS = [world.name for world in chain_plan.worlds(CONFIG.chain)]
CHAIN_STACKS = [stack.name for stack in chain_plan.stacks(CONFIG.chain)]
CHAIN_PRUNED = [stack.name for stack in chain_plan.pruned_stacks(CONFIG.chain)]
# what the networks know, and how often the corpora say it
CHAIN_EVALUATION = [
    (
        "chain count-ngrams --worlds {params.at}/worlds --out {output.counts:q}",
        "job_count",
    ),
    (
        "chain evaluate --worlds {params.at}/worlds --unpruned {params.at}/unpruned"
        " --models {params.at}/models --residuals {params.at}/residuals"
        " --facts {input.facts:q} --counts {output.counts:q} --out {params.at:q}",
        "job",
    ),
]


def chain_folder(name):
    """Parameter: a folder of the chain, such as that of all worlds."""
    return lambda wildcards: f"results/{wildcards.run}/chain/{name}"


def of_chain_worlds(folder, *suffixes):
    """Paths in a folder of the chain, one per world and suffix; without, a folder per world."""
    return expand(
        f"{CHAIN}/{folder}/{{world}}{{suffix}}",
        world=CHAIN_WORLDS,
        suffix=suffixes or [""],
        allow_missing=True,
    )


def of_chain_networks(folder, names):
    """Paths in a folder of the chain, one per world and width."""
    return [f"{CHAIN}/{folder}/{name}.safetensors" for name in names]


def chain_residuals():
    """The steps that embed, remember and ask, one per world."""
    at = "results/{wildcards.run}/chain"
    base = chain_plan.base_width(CONFIG.chain)
    return [
        (
            f"chain fit-residuals --world {at}/worlds/{world} --facts {{input.facts:q}}"
            f" --unpruned {at}/unpruned/{world}-{base}.safetensors"
            f" --pruned {at}/models/{world}-{base}.safetensors"
            f" --out {at}/residuals/{world}.safetensors"
            f" --choices {at}/residuals/{world}.parquet",
            "job",
        )
        for world in CHAIN_WORLDS
    ]
