# Distributional memorization, what is measured on counts and scores.


rule distmem_evaluate_networks:
    input:
        distmem_files("examples.parquet"),
        models=distmem_family,
    output:
        [f"{DISTMEM}/scores/{world}/{{family}}.parquet" for world in DISTMEM_WORLDS],
    log:
        "results/{run}/logs/distmem_evaluate_networks_{family}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_networks_{family}.tsv"
    wildcard_constraints:
        family="|".join(DISTMEM_FAMILIES.FAMILIES),
    priority: 20
    resources:
        gpu=1,
        mem_mb=2000,
        runtime=10,
    params:
        models=distmem_models,
        corpora=distmem_corpora,
        folder=f"{DISTMEM}/scores",
        job=job("distmem:evaluate_networks", "distmem.ladder", seed=False),
    shell:
        rote(
            "distmem evaluate-networks --family {wildcards.family}"
            " --models {params.models:q} {params.corpora} --out {params.folder:q}"
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
        source="|".join(DISTMEM_SOURCES),
    resources:
        gpu=0,
        mem_mb=at_scale(3000, 32000),
        runtime=at_scale(10, 240),
    params:
        corpus=distmem_corpus,
        scores=distmem_score_options,
        folder=subpath(output[0], parent=True),
        job=job("distmem:evaluate_memorization", "distmem.analysis", seed=False),
    shell:
        rote(
            "distmem evaluate-memorization --corpus {params.corpus:q} {params.scores}"
            " --out {params.folder:q}"
        )


rule distmem_evaluate_estimators:
    input:
        distmem_measured,
        scores=distmem_scores,
    output:
        distmem_per_source(DISTMEM_SCHEMA.GENERATED_TABLES),
    log:
        "results/{run}/logs/distmem_evaluate_estimators_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_estimators_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_WORLDS),
    resources:
        gpu=0,
        mem_mb=at_scale(3000, 32000),
        runtime=at_scale(10, 240),
    params:
        corpus=distmem_corpus,
        scores=distmem_score_options,
        folder=subpath(output[0], parent=True),
        job=job("distmem:evaluate_estimators", "distmem.analysis", seed=False),
    shell:
        rote(
            "distmem evaluate-estimators --corpus {params.corpus:q} {params.scores}"
            " --out {params.folder:q}"
        )


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
    resources:
        gpu=1,
        mem_mb=2000,
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


rule distmem_evaluate_engines:
    output:
        out=f"{DISTMEM}/engines.parquet",
    log:
        "results/{run}/logs/distmem_evaluate_engines.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_engines.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        job=job("distmem:evaluate_engines"),
    shell:
        rote("distmem evaluate-engines --out {output.out:q}")


rule distmem_evaluate_sources:
    input:
        distmem_tables(),
    output:
        [
            f"{DISTMEM}/{table}.parquet"
            for table in DISTMEM_SCHEMA.TABLES
            if table not in DISTMEM_SCHEMA.RUN_TABLES
        ],
    log:
        "results/{run}/logs/distmem_evaluate_sources.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_sources.tsv"
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        parts=lambda wildcards, input: " ".join(f"--part {path}" for path in input),
        folder=subpath(output[0], parent=True),
        job=job("distmem:evaluate_sources", seed=False),
    shell:
        rote("distmem evaluate-sources {params.parts} --out {params.folder:q}")
