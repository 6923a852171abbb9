# The worlds and networks of the chain in this run.

# Each world is a load of facts; a text of one's own is the only world, `own`. A model of one's own has no width: 0.
CHAIN_LOADS = [f"load-{load:g}" for load in CONFIG.chain.world.loads]
CHAIN_WORLDS = ["own"] if CONFIG.chain.corpus else CHAIN_LOADS
CHAIN_WIDTH = 0 if CONFIG.chain.model else CONFIG.chain.network.width
CHAIN_NETWORKS = [f"{world}-{CHAIN_WIDTH}" for world in CHAIN_WORLDS]
if not CONFIG.chain.model:
    CHAIN_LADDER = (
        "own" if CONFIG.chain.corpus else f"load-{CONFIG.chain.network.ladder_load:g}"
    )
    CHAIN_NETWORKS += [
        f"{CHAIN_LADDER}-{width}"
        for width in CONFIG.chain.network.ladder
        if width != CHAIN_WIDTH
    ]


def chain_worlds(wildcards):
    """Folders of all worlds."""
    return f"results/{wildcards.run}/chain/worlds"


def chain_pruned(wildcards):
    """Folders of the pruned corpora of all worlds."""
    return f"results/{wildcards.run}/chain/pruned"
