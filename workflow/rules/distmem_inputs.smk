# What the rules of distributional memorization read, by corpus: functions of wildcards.


def distmem_files(*names):
    """Files of every generated corpus."""
    paths = []
    for world in DISTMEM_WORLDS:
        paths += [f"{DISTMEM}/{world}/{name}" for name in names]
    return paths


def distmem_corpora(wildcards):
    """The option with the folders of the generated corpora."""
    folder = f"results/{wildcards.run}/distmem"
    return " ".join(f"--corpora {folder}/{world}" for world in DISTMEM_WORLDS)


def distmem_corpus(wildcards):
    """The folder of a corpus."""
    return f"results/{wildcards.run}/distmem/{wildcards.source}"


def distmem_measured(wildcards):
    """What is counted and known of a corpus."""
    names = DISTMEM_SOURCES[wildcards.source].measured_files
    return [f"{distmem_corpus(wildcards)}/{name}" for name in names]


def distmem_per_source(names):
    """Tables that are made per corpus."""
    return [f"{DISTMEM}/tables/{{source}}/{name}.parquet" for name in names]


def distmem_models(wildcards):
    """The folder of all networks."""
    return f"results/{wildcards.run}/distmem/models"


def distmem_traced(wildcards):
    """Folders of the networks that influence is measured in."""
    rungs = [DISTMEM_NEOX[number] for number in CONFIG.distmem.influence.networks]
    return [f"{distmem_models(wildcards)}/{rung.name}" for rung in rungs]


def distmem_study(wildcards):
    """The config section of a study; nothing for a generated corpus."""
    study = DISTMEM_SOURCES[wildcards.source].study
    return study.model_dump_json() if study else "{}"


def distmem_parts(wildcards):
    """Counts of a corpus, by the jobs that count side by side."""
    parts = range(DISTMEM_SOURCES[wildcards.source].n_parts)
    return [f"{distmem_corpus(wildcards)}/counts/{part}.parquet" for part in parts]


def distmem_scores(wildcards):
    """Scores of every model of a corpus, the infinity-gram's first."""
    folder = f"results/{wildcards.run}/distmem/scores/{wildcards.source}"
    names = DISTMEM_SOURCES[wildcards.source].scores
    scores = [f"{folder}/{name}.parquet" for name in names]
    return [f"{distmem_corpus(wildcards)}/infinity.parquet", *scores]


def distmem_score_options(wildcards, input):
    """The options with these files."""
    return " ".join(f"--scores {path}" for path in input.scores)


def distmem_family(wildcards):
    """Folders of a family's networks."""
    family = DISTMEM_FAMILIES.family(wildcards.family)
    rungs = DISTMEM_FAMILIES.rungs(CONFIG.distmem.ladder, family)
    return [f"{distmem_models(wildcards)}/{rung.name}" for rung in rungs]


def distmem_tables():
    """Tables that are made per corpus first."""
    paths = [f"{DISTMEM}/{world}/facts.parquet" for world in DISTMEM_WORLDS]
    for name, source in DISTMEM_SOURCES.items():
        tables = [*DISTMEM_SCHEMA.SOURCE_TABLES]
        if source.is_generated:
            tables += DISTMEM_SCHEMA.GENERATED_TABLES
        paths += [f"{DISTMEM}/tables/{name}/{table}.parquet" for table in tables]
    return paths


def distmem_generated(name):
    """A file of a generated corpus; none for a study."""
    return lambda wildcards: (
        f"{distmem_corpus(wildcards)}/{name}"
        if DISTMEM_SOURCES[wildcards.source].is_generated
        else []
    )


def distmem_if(option, name):
    """An option with its file, where the rule has that input."""
    return lambda wildcards, input: (
        f"--{option} {input[name]}" if input.get(name) else ""
    )
