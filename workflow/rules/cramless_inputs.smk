# Paths of the rules of cramming less, and what a group of networks trains on.

from rote.papers.cramless import arms as cramless_arms

CRAMLESS = "results/{run}/cramless"
CRAMLESS_GROUPS = cramless_arms.GROUPS
CRAMLESS_TRAINED = CONFIG.cramless.training.groups  # those of this run
CRAMLESS_NETWORK_TABLES = rote_papers.load("cramless", "schema").NETWORK_TABLES


def cramless_per_group(group):
    """Tables about the networks of a group."""
    return [
        f"{CRAMLESS}/groups/{table}_{group}.parquet"
        for table in CRAMLESS_NETWORK_TABLES
    ]


def cramless_pruned(wildcards):
    """The table of offline selections, for a group that trains on them."""
    needed = CRAMLESS_GROUPS[wildcards.group].needs_pruned
    return f"results/{wildcards.run}/cramless/pruned.parquet" if needed else []


def cramless_tuned(wildcards):
    """The runs that say the learning rate of each width, for a group that needs it."""
    needed = CRAMLESS_GROUPS[wildcards.group].needs_tuned
    name = f"groups/runs_{cramless_arms.TUNING_GROUP.name}.parquet"
    return f"results/{wildcards.run}/cramless/{name}" if needed else []


def cramless_group_options(wildcards, input):
    """The options with those tables."""
    pruned = f"--pruned {input.pruned}" if input.pruned else ""
    tuned = f"--tuned {input.tuned}" if input.tuned else ""
    return f"{pruned} {tuned}"
