# What the rules of distributional memorization read, by corpus: functions of wildcards.


def distmem_folders(wildcards):
    """Folders of the generated corpora."""
    return [f"results/{wildcards.run}/distmem/{world}" for world in DISTMEM_WORLDS]


def distmem_study(wildcards):
    """The config section of a study; nothing for a generated corpus."""
    return (
        section_json(f"distmem.{wildcards.source}")
        if wildcards.source in DISTMEM_STUDIES
        else "{}"
    )


def distmem_parts(source):
    """Numbers of the jobs that count side by side in a corpus."""
    return range(
        1 if source in DISTMEM_WORLDS else getattr(CONFIG.distmem, source).parts
    )


def distmem_counts(wildcards):
    """Counts of a corpus: those of its only part, or the sum of several."""
    parts = distmem_parts(wildcards.source)
    name = "counts/0" if len(parts) == 1 else "counts"
    return f"results/{wildcards.run}/distmem/{wildcards.source}/{name}.parquet"


def distmem_scores(wildcards):
    """Scores of every model of a corpus, the infinity-gram's first."""
    folder = f"results/{wildcards.run}/distmem"
    if wildcards.source in DISTMEM_WORLDS:
        names = [
            f"{folder}/scores/{wildcards.source}/{family}.parquet"
            for family in ("neox", "llama")
        ]
    else:
        models = range(len(getattr(CONFIG.distmem, wildcards.source).models))
        names = [
            f"{folder}/scores/{wildcards.source}/model{number}.parquet"
            for number in models
        ]
    return [f"{folder}/{wildcards.source}/infinity.parquet", *names]


def distmem_generated(name):
    """A file of a generated corpus; none for a study."""
    return lambda wildcards: (
        f"results/{wildcards.run}/distmem/{wildcards.source}/{name}"
        if wildcards.source in DISTMEM_WORLDS
        else []
    )


def distmem_if(option, name):
    """An option with its file, where the rule has that input."""
    return lambda wildcards, input: (
        f"--{option} {input[name]}" if input.get(name) else ""
    )
