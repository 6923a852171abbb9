# Distributional memorization: generated corpora (and studies of pretrained models), a ladder of
# networks, counts, scores.

DISTMEM = "results/{run}/distmem"
DISTMEM_SCHEMA = rote_papers.load("distmem", "schema")
DISTMEM_FAMILIES = rote_papers.load("distmem", "families")
DISTMEM_CORPORA = rote_papers.load("distmem", "sources")
DISTMEM_SOURCES = DISTMEM_CORPORA.sources(CONFIG.distmem)
DISTMEM_COUNTED = DISTMEM_CORPORA.COUNTED_FILES
DISTMEM_WORLDS = [
    name for name, source in DISTMEM_SOURCES.items() if source.is_generated
]
DISTMEM_STUDIES = [name for name in DISTMEM_SOURCES if name not in DISTMEM_WORLDS]
DISTMEM_NETWORKS = DISTMEM_FAMILIES.ladder(CONFIG.distmem.ladder)
DISTMEM_TRAINED = DISTMEM_FAMILIES.trained(CONFIG.distmem.ladder)
DISTMEM_NEOX = DISTMEM_FAMILIES.rungs(CONFIG.distmem.ladder, DISTMEM_FAMILIES.NEOX)


include: "distmem_inputs.smk"


rule distmem_synthesize_worlds:
    output:
        distmem_files(*DISTMEM_CORPORA.GENERATED_FILES),
        folders=[directory(path) for path in distmem_files("words", "tokens")],
    log:
        "results/{run}/logs/distmem_synthesize_worlds.log",
    benchmark:
        "results/{run}/benchmarks/distmem_synthesize_worlds.tsv"
    priority: 320  # see distmem_train_ladder
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=20,
    params:
        job=job("distmem:synthesize_corpus", "distmem.world"),
        job_tokens=job("distmem:synthesize_tokens", seed=False),
    shell:
        in_turn(*distmem_worlds(DISTMEM_SYNTHESIS))


rule distmem_synthesize_examples:
    output:
        out=f"{DISTMEM}/{{source}}/examples.parquet",
    log:
        "results/{run}/logs/distmem_synthesize_examples_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_synthesize_examples_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_STUDIES) or "none",
    resources:
        gpu=0,
        mem_mb=8000,
        runtime=60,
    params:
        job=job("distmem:synthesize_examples", distmem_study, seed=False),
    shell:
        rote("distmem synthesize-examples --out {output.out:q}")


rule distmem_synthesize_tokens:
    output:
        words=directory(f"{DISTMEM}/{{source}}/words"),
        tokens=directory(f"{DISTMEM}/{{source}}/tokens"),
    log:
        "results/{run}/logs/distmem_synthesize_tokens_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_synthesize_tokens_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_STUDIES) or "none",
    priority: 320  # see distmem_train_ladder
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 32000),
        runtime=at_scale(10, 72000),
    params:
        job=job("distmem:synthesize_tokens", distmem_study, seed=False),
    shell:
        rote(
            "distmem synthesize-tokens --words {output.words:q} --tokens {output.tokens:q}"
        )


rule distmem_train_ladder:
    input:
        distmem_files("tokens", "examples.parquet"),
    output:
        models=directory(f"{DISTMEM}/models/{{network}}"),
    log:
        "results/{run}/logs/distmem_train_ladder_{network}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_train_ladder_{network}.tsv"
    wildcard_constraints:
        network="|".join(DISTMEM_NETWORKS),
    priority: 320  # the longest chain of jobs of a run: begun three papers early
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=at_scale(30, 240),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        corpora=distmem_corpora,
        job=job("distmem:train_ladder", "distmem.ladder"),
    shell:
        rote(
            "distmem train-ladder --network {wildcards.network} {params.corpora}"
            " --out {output.models:q}",
            CHECKPOINTS,
        )


rule distmem_train_ablation:
    input:
        distmem_files("tokens", "examples.parquet", "facts.parquet", "corpus.jsonl"),
    output:
        out=f"{DISTMEM}/retrained/{{network}}/ablation.parquet",
    log:
        "results/{run}/logs/distmem_train_ablation_{network}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_train_ablation_{network}.tsv"
    wildcard_constraints:
        network="|".join(CONFIG.distmem.ablation.networks),
    priority: 320  # see distmem_train_ladder
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=at_scale(30, 240),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        corpora=distmem_corpora,
        every=CONFIG.distmem.ablation.every,
        job=job("distmem:train_ablation", "distmem.ladder"),
    shell:
        rote(
            "distmem train-ablation {params.corpora} --network {wildcards.network}"
            " --every {params.every} --out {output.out:q}",
            CHECKPOINTS,
        )


rule distmem_evaluate_ablation:
    input:
        [
            f"{DISTMEM}/retrained/{network}/ablation.parquet"
            for network in CONFIG.distmem.ablation.networks
        ],
    output:
        out=f"{DISTMEM}/ablation.parquet",
    log:
        "results/{run}/logs/distmem_evaluate_ablation.log",
    benchmark:
        "results/{run}/benchmarks/distmem_evaluate_ablation.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        parts=lambda wildcards, input: " ".join(f"--part {path}" for path in input),
        folder=subpath(output.out, parent=True),
        job=job("distmem:evaluate_sources", seed=False),
    shell:
        rote("distmem evaluate-sources {params.parts} --out {params.folder:q}")


rule distmem_count_worlds:
    input:
        distmem_files("words", "tokens", "examples.parquet"),
    output:
        distmem_files("pairs.parquet", "counts.parquet", "infinity.parquet"),
        engines=f"{DISTMEM}/engines.parquet",
    log:
        "results/{run}/logs/distmem_count_worlds.log",
    benchmark:
        "results/{run}/benchmarks/distmem_count_worlds.tsv"
    priority: 20
    resources:
        gpu=int(bool(CONFIG.distmem.analysis.embedding)),
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(20, 480),
    params:
        job=job("distmem:evaluate_engines"),
        job_pairs=job("distmem:embed_pairs", "distmem.analysis", seed=False),
        job_count=job("distmem:count_pairs", "distmem.analysis", seed=False),
        job_infinity=job("distmem:count_infinity", "distmem.analysis", seed=False),
    shell:
        in_turn(*distmem_worlds(DISTMEM_COUNTING), DISTMEM_ENGINES)


rule distmem_embed_pairs:
    input:
        words=f"{DISTMEM}/{{source}}/words",
        examples=f"{DISTMEM}/{{source}}/examples.parquet",
    output:
        out=f"{DISTMEM}/{{source}}/pairs.parquet",
    log:
        "results/{run}/logs/distmem_embed_pairs_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_embed_pairs_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_STUDIES) or "none",
    resources:
        gpu=lambda wildcards: int(bool(CONFIG.distmem.analysis.embedding)),
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        job=job("distmem:embed_pairs", distmem_analysis, seed=False),
    shell:
        rote(
            "distmem embed-pairs --words {input.words:q} --examples {input.examples:q}"
            " --out {output.out:q}"
        )


rule distmem_count_pairs:
    input:
        words=f"{DISTMEM}/{{source}}/words",
        pairs=f"{DISTMEM}/{{source}}/pairs.parquet",
    output:
        out=f"{DISTMEM}/{{source}}/counts/{{part}}.parquet",
    log:
        "results/{run}/logs/distmem_count_pairs_{source}_{part}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_count_pairs_{source}_{part}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_STUDIES) or "none",
        part=r"\d+",
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 8000),
        runtime=at_scale(10, 1440),
    params:
        parts=lambda wildcards: DISTMEM_SOURCES[wildcards.source].n_parts,
        job=job("distmem:count_pairs", distmem_analysis, seed=False),
    shell:
        rote(
            "distmem count-pairs --words {input.words:q} --pairs {input.pairs:q}"
            " --out {output.out:q} --part {wildcards.part} --parts {params.parts}"
        )


rule distmem_count_total:
    input:
        counts=distmem_parts,
        pairs=f"{DISTMEM}/{{source}}/pairs.parquet",
    output:
        out=f"{DISTMEM}/{{source}}/counts.parquet",
    log:
        "results/{run}/logs/distmem_count_total_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_count_total_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_STUDIES) or "none",
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        parts=lambda wildcards, input: " ".join(
            f"--part {path}" for path in input.counts
        ),
        job=job("distmem:count_total", seed=False),
    shell:
        rote(
            "distmem count-total {params.parts} --pairs {input.pairs:q}"
            " --out {output.out:q}"
        )


rule distmem_count_infinity:
    input:
        tokens=f"{DISTMEM}/{{source}}/tokens",
        examples=f"{DISTMEM}/{{source}}/examples.parquet",
    output:
        out=f"{DISTMEM}/{{source}}/infinity.parquet",
    log:
        "results/{run}/logs/distmem_count_infinity_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_count_infinity_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_STUDIES) or "none",
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 64000),
        runtime=at_scale(10, 1440),
    params:
        job=job("distmem:count_infinity", distmem_analysis, seed=False),
    shell:
        rote(
            "distmem count-infinity --tokens {input.tokens:q} --examples {input.examples:q}"
            " --out {output.out:q}"
        )


include: "distmem_evaluate.smk"
