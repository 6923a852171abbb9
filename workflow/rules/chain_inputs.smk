# The worlds and networks of the chain in this run.

from rote.papers.chain import plan as chain_plan

CHAIN_WORLDS = [world.name for world in chain_plan.worlds(CONFIG.chain)]
CHAIN_WIDTH = chain_plan.base_width(CONFIG.chain)
CHAIN_NETWORKS = [stack.name for stack in chain_plan.stacks(CONFIG.chain)]


def chain_worlds(wildcards):
    """Folders of all worlds."""
    return f"results/{wildcards.run}/chain/worlds"


def chain_pruned(wildcards):
    """Folders of the pruned corpora of all worlds."""
    return f"results/{wildcards.run}/chain/pruned"
