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


def distmem_analysis(wildcards):
    """How a corpus is analysed, as a config section."""
    source = DISTMEM_SOURCES[wildcards.source]
    return source.analysis(CONFIG.distmem).model_dump_json()


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


def distmem_tables(names):
    """Tables that are made per corpus first, of these corpora."""
    paths = []
    for name in names:
        tables = [*DISTMEM_SCHEMA.SOURCE_TABLES]
        if DISTMEM_SOURCES[name].is_generated:
            tables += DISTMEM_SCHEMA.GENERATED_TABLES
        paths += [f"{DISTMEM}/tables/{name}/{table}.parquet" for table in tables]
    return paths


def distmem_parts_option(wildcards, input, output):
    """The option with all of them, and the facts of the generated corpora."""
    facts = [path for path in input if Path(path).name == "facts.parquet"]
    paths = [*facts, *output.parts, *input.studies]
    return " ".join(f"--part {path}" for path in paths)


# ---- the generated corpora, which are small: one job takes a step of all of them


def distmem_worlds(steps):
    """Steps for `in_turn`: `steps` for each generated corpus, with its places filled in."""
    filled = []
    for number, world in enumerate(DISTMEM_WORLDS):
        home = "results/{wildcards.run}/distmem"
        scores = [f"{home}/{world}/infinity.parquet"]
        for name in DISTMEM_SOURCES[world].scores:
            scores.append(f"{home}/scores/{world}/{name}.parquet")
        places = {
            "world": world,
            "number": number,
            "at": f"{home}/{world}",
            "tables": f"{home}/tables/{world}",
            "scores": " ".join(f"--scores {path}" for path in scores),
        }
        filled += [(command % places, options) for command, options in steps]
    return filled


DISTMEM_SYNTHESIS = [
    (
        "distmem synthesize-corpus --source %(world)s --number %(number)d --out %(at)s",
        "job",
    ),
    (
        "distmem synthesize-tokens --corpus %(at)s/corpus.jsonl --words %(at)s/words"
        " --tokens %(at)s/tokens",
        "job_tokens",
    ),
]
DISTMEM_COUNTING = [
    (
        "distmem embed-pairs --words %(at)s/words --examples %(at)s/examples.parquet"
        " --out %(at)s/pairs.parquet",
        "job_pairs",
    ),
    (
        "distmem count-pairs --words %(at)s/words --pairs %(at)s/pairs.parquet"
        " --out %(at)s/counts.parquet",
        "job_count",
    ),
    (
        "distmem count-infinity --tokens %(at)s/tokens --examples %(at)s/examples.parquet"
        " --out %(at)s/infinity.parquet",
        "job_infinity",
    ),
]
DISTMEM_ENGINES = ("distmem evaluate-engines --out {output.engines:q}", "job")
DISTMEM_SCORING = [
    (
        f"distmem evaluate-networks --family {family} --models {{params.models:q}}"
        " {params.corpora} --out {params.folder:q}",
        "job",
    )
    for family in DISTMEM_TRAINED
]
DISTMEM_EVALUATION = [
    (
        "distmem evaluate-memorization --corpus %(at)s %(scores)s --out %(tables)s",
        "job_measure",
    ),
    (
        "distmem evaluate-estimators --corpus %(at)s %(scores)s --out %(tables)s",
        "job_known",
    ),
]
DISTMEM_ALL_SOURCES = (
    "distmem evaluate-sources {params.parts} --out {params.folder:q}",
    "job",
)
