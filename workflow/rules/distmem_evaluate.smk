# Distributional memorization, what is measured on counts and scores.


rule distmem_evaluate_networks:
    input:
        distmem_files("examples.parquet", "corpus.jsonl", *DISTMEM_COUNTED),
        models=[f"{DISTMEM}/models/{network}" for network in DISTMEM_NETWORKS],
    output:
        scores=[
            f"{DISTMEM}/scores/{world}/{family}.parquet"
            for world in DISTMEM_WORLDS
            for family in DISTMEM_TRAINED
        ],
    log:
        "results/{run}/logs/distmem_evaluate_networks.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_networks.tsv"
    priority: 20
    resources:
        gpu=1,
        mem_mb=2000,
        runtime=at_scale(20, 240),
    params:
        models=distmem_models,
        corpora=distmem_corpora,
        folder=f"{DISTMEM}/scores",
        job=job("distmem:evaluate_networks", "distmem.ladder", seed=False),
    shell:
        in_turn(*DISTMEM_SCORING)


rule distmem_evaluate_influence:
    input:
        distmem_files("corpus.jsonl", *DISTMEM_COUNTED),
        models=distmem_traced,
    output:
        out=f"{DISTMEM}/influence.parquet",
    log:
        "results/{run}/logs/distmem_evaluate_influence.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_influence.tsv"
    priority: 20
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(20, 240),
    params:
        models=distmem_models,
        corpora=distmem_corpora,
        job=job("distmem:evaluate_influence", "distmem"),
    shell:
        rote(
            "distmem evaluate-influence --models {params.models:q} {params.corpora}"
            " --out {output.out:q}"
        )


rule distmem_evaluate_pretrained:
    input:
        examples=f"{DISTMEM}/{{source}}/examples.parquet",
    output:
        out=f"{DISTMEM}/scores/{{source}}/model{{number}}.parquet",
    log:
        "results/{run}/logs/distmem_evaluate_pretrained_{source}_{number}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_pretrained_{source}_{number}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_STUDIES) or "none",
        number=r"\d+",
    resources:
        gpu=1,
        mem_mb=at_scale(4000, 64000),
        runtime=at_scale(30, 1440),
    params:
        job=job("distmem:evaluate_pretrained", distmem_study, seed=False),
    shell:
        rote(
            "distmem evaluate-pretrained --number {wildcards.number}"
            " --examples {input.examples:q} --out {output.out:q}"
        )


rule distmem_evaluate_memorization:
    input:
        distmem_measured,
        scores=distmem_scores,
    output:
        distmem_per_source(DISTMEM_SCHEMA.SOURCE_TABLES),
    log:
        "results/{run}/logs/distmem_evaluate_memorization_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_memorization_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_STUDIES) or "none",
    resources:
        gpu=0,
        mem_mb=at_scale(3000, 32000),
        runtime=at_scale(10, 240),
    params:
        corpus=distmem_corpus,
        scores=distmem_score_options,
        folder=subpath(output[0], parent=True),
        job=job("distmem:evaluate_memorization", distmem_analysis, seed=False),
    shell:
        rote(
            "distmem evaluate-memorization --corpus {params.corpus:q} {params.scores}"
            " --out {params.folder:q}"
        )


rule distmem_evaluate_sources:
    input:
        distmem_files(*DISTMEM_COUNTED, *DISTMEM_CORPORA.GENERATED_FILES, "words"),
        distmem_files("infinity.parquet"),
        scores=rules.distmem_evaluate_networks.output.scores,
        studies=distmem_tables(DISTMEM_STUDIES),
    output:
        [
            f"{DISTMEM}/{table}.parquet"
            for table in DISTMEM_SCHEMA.TABLES
            if table not in DISTMEM_SCHEMA.RUN_TABLES
        ],
        parts=distmem_tables(DISTMEM_WORLDS),
    log:
        "results/{run}/logs/distmem_evaluate_sources.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_sources.tsv"
    priority: 20
    resources:
        gpu=0,
        mem_mb=at_scale(3000, 32000),
        runtime=at_scale(20, 480),
    params:
        parts=distmem_parts_option,
        folder=subpath(output[0], parent=True),
        job_measure=job("distmem:evaluate_memorization", "distmem.analysis", seed=False),
        job_known=job("distmem:evaluate_estimators", "distmem.analysis", seed=False),
        job=job("distmem:evaluate_sources", seed=False),
    shell:
        in_turn(*distmem_worlds(DISTMEM_EVALUATION), DISTMEM_ALL_SOURCES)
