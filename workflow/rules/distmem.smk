# Distributional memorization: generated corpora (and studies of pretrained models), a ladder of networks, counts, scores.

DISTMEM = "results/{run}/distmem"
DISTMEM_WORLDS = [f"world{i}" for i in range(CONFIG.distmem.world.replicates)]
DISTMEM_STUDIES = [
    study for study in ("pythia", "olmo") if getattr(CONFIG.distmem, study).corpus
]
DISTMEM_NETWORKS = [f"neox-{size[0]}" for size in CONFIG.distmem.ladder.sizes]
DISTMEM_NETWORKS += [f"llama-{size[0]}" for size in CONFIG.distmem.ladder.second]
DISTMEM_TRACED = [
    DISTMEM_NETWORKS[number] for number in CONFIG.distmem.influence.networks
]
# tables that only generated corpora have
DISTMEM_GENERATED = ["mining", "prompts", "estimators"]
# tables that are made per corpus first
DISTMEM_PARTS = [f"{world}/facts" for world in DISTMEM_WORLDS]
DISTMEM_PARTS += [
    f"tables/{source}/{table}"
    for source in DISTMEM_WORLDS + DISTMEM_STUDIES
    for table in ("memorization", "performance", "novel", "bias", "audit")
]
DISTMEM_PARTS += [
    f"tables/{world}/{table}" for world in DISTMEM_WORLDS for table in DISTMEM_GENERATED
]


include: "distmem_inputs.smk"


rule distmem_synthesize_corpus:
    output:
        corpus=f"{DISTMEM}/{{source}}/corpus.jsonl",
        facts=f"{DISTMEM}/{{source}}/facts.parquet",
        examples=f"{DISTMEM}/{{source}}/examples.parquet",
        lexicon=f"{DISTMEM}/{{source}}/lexicon.parquet",
    log:
        "results/{run}/logs/distmem_synthesize_corpus_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_synthesize_corpus_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_WORLDS),
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        folder=subpath(output.corpus, parent=True),
        job=job("distmem:synthesize_corpus", "distmem.world"),
    shell:
        rote(
            "distmem synthesize-corpus --source {wildcards.source} --out {params.folder:q}"
        )


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
    input:
        corpus=distmem_generated("corpus.jsonl"),
    output:
        words=directory(f"{DISTMEM}/{{source}}/words"),
        tokens=directory(f"{DISTMEM}/{{source}}/tokens"),
    log:
        "results/{run}/logs/distmem_synthesize_tokens_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_synthesize_tokens_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_WORLDS + DISTMEM_STUDIES),
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 32000),
        runtime=at_scale(10, 72000),
    params:
        corpus=distmem_if("corpus", "corpus"),
        job=job("distmem:synthesize_tokens", distmem_study, seed=False),
    shell:
        rote(
            "distmem synthesize-tokens {params.corpus} --words {output.words:q}"
            " --tokens {output.tokens:q}"
        )


rule distmem_train_ladder:
    input:
        [
            f"{DISTMEM}/{world}/{part}"
            for world in DISTMEM_WORLDS
            for part in ("tokens", "examples.parquet")
        ],
    output:
        models=directory(f"{DISTMEM}/models/{{network}}"),
    log:
        "results/{run}/logs/distmem_train_ladder_{network}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_train_ladder_{network}.tsv"
    wildcard_constraints:
        network="|".join(DISTMEM_NETWORKS),
    priority: 20
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=at_scale(30, 240),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        corpora=lambda wildcards: " ".join(
            f"--corpora {folder}" for folder in distmem_folders(wildcards)
        ),
        job=job("distmem:train_ladder", "distmem.ladder"),
    shell:
        rote(
            "distmem train-ladder --network {wildcards.network} {params.corpora}"
            " --out {output.models:q}",
            CHECKPOINTS,
        )


rule distmem_train_ablation:
    input:
        [
            f"{DISTMEM}/{world}/{part}"
            for world in DISTMEM_WORLDS
            for part in ("tokens", "examples.parquet", "facts.parquet")
        ],
    output:
        out=f"{DISTMEM}/ablation.parquet",
    log:
        "results/{run}/logs/distmem_train_ablation.log",
    benchmark:
        "results/{run}/benchmarks/distmem_train_ablation.tsv"
    priority: 20
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=at_scale(30, 240),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        corpora=lambda wildcards: " ".join(
            f"--corpora {folder}" for folder in distmem_folders(wildcards)
        ),
        network=CONFIG.distmem.ablation.network,
        every=CONFIG.distmem.ablation.every,
        job=job("distmem:train_ablation", "distmem.ladder"),
    shell:
        rote(
            "distmem train-ablation {params.corpora} --network {params.network}"
            " --every {params.every} --out {output.out:q}",
            CHECKPOINTS,
        )


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
        source="|".join(DISTMEM_WORLDS + DISTMEM_STUDIES),
    resources:
        gpu=lambda wildcards: int(bool(CONFIG.distmem.analysis.embedding)),
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        job=job("distmem:embed_pairs", "distmem.analysis", seed=False),
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
        source="|".join(DISTMEM_WORLDS + DISTMEM_STUDIES),
        part=r"\d+",
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 8000),
        runtime=at_scale(10, 1440),
    params:
        parts=lambda wildcards: len(distmem_parts(wildcards.source)),
        job=job("distmem:count_pairs", "distmem.analysis", seed=False),
    shell:
        rote(
            "distmem count-pairs --words {input.words:q} --pairs {input.pairs:q}"
            " --out {output.out:q} --part {wildcards.part} --parts {params.parts}"
        )


rule distmem_count_total:
    input:
        counts=lambda wildcards: [
            f"results/{wildcards.run}/distmem/{wildcards.source}/counts/{part}.parquet"
            for part in distmem_parts(wildcards.source)
        ],
        pairs=f"{DISTMEM}/{{source}}/pairs.parquet",
    output:
        out=f"{DISTMEM}/{{source}}/counts.parquet",
    log:
        "results/{run}/logs/distmem_count_total_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_count_total_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_WORLDS + DISTMEM_STUDIES),
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
        source="|".join(DISTMEM_WORLDS + DISTMEM_STUDIES),
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 64000),
        runtime=at_scale(10, 1440),
    params:
        job=job("distmem:count_infinity", "distmem.analysis", seed=False),
    shell:
        rote(
            "distmem count-infinity --tokens {input.tokens:q} --examples {input.examples:q}"
            " --out {output.out:q}"
        )


include: "distmem_evaluate.smk"
