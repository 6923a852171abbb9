# Distributional memorization: generated corpora (and studies of pretrained models), a ladder of networks, counts, scores.

DISTMEM = "results/{run}/distmem"
DISTMEM_FIGURES = [
    "performance",
    "memorization",
    "influence",
    "thresholds",
    "prompts",
    "bias",
    "ablation",
    "estimators",
    "engines",
    "options",
    "dynamics",
]
DISTMEM_TABLES = [
    "facts",
    "memorization",
    "performance",
    "novel",
    "bias",
    "mining",
    "audit",
    "prompts",
    "estimators",
    "influence",
    "ablation",
    "engines",
]
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
PRODUCTS["distmem"] = {
    "tables": [f"{DISTMEM}/{table}.parquet" for table in DISTMEM_TABLES],
    "figures": [f"{DISTMEM}/figures/{figure}.png" for figure in DISTMEM_FIGURES],
}


include: "distmem_inputs.smk"


localrules:
    distmem,


rule distmem:
    input:
        [
            path
            for paths in PRODUCTS["distmem"].values()
            for path in expand(paths, run=CONFIG.run)
        ],
    resources:
        gpu=0,


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
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        folder=subpath(output.corpus, parent=True),
        settings=settings("distmem.world"),
        seed=CONFIG.seed,
        code=code("rote.papers.distmem.cli:synthesize_corpus"),
    shell:
        "rote distmem synthesize-corpus --source {wildcards.source} --out {params.folder:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule distmem_synthesize_examples:
    output:
        out=f"{DISTMEM}/{{source}}/examples.parquet",
    log:
        "results/{run}/logs/distmem_synthesize_examples_{source}.log",
    benchmark:
        "results/{run}/benchmarks/distmem_synthesize_examples_{source}.tsv"
    wildcard_constraints:
        source="|".join(DISTMEM_STUDIES) or "none",
    threads: 1
    resources:
        gpu=0,
        mem_mb=8000,
        runtime=60,
    params:
        settings=distmem_study,
        code=code("rote.papers.distmem.cli:synthesize_examples"),
    shell:
        "rote distmem synthesize-examples --out {output.out:q}"
        " --settings {params.settings:q}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


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
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 32000),
        runtime=at_scale(10, 72000),
    params:
        corpus=distmem_if("corpus", "corpus"),
        settings=distmem_study,
        code=code("rote.papers.distmem.cli:synthesize_tokens"),
    shell:
        "rote distmem synthesize-tokens {params.corpus} --words {output.words:q} --tokens {output.tokens:q}"
        " --settings {params.settings:q}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


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
    threads: 1
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=at_scale(30, 240),
        checkpoint_steps=CONFIG.checkpoint_steps,  # here, not in params: changing it must not train again
    params:
        corpora=lambda wildcards: " ".join(
            f"--corpora {folder}" for folder in distmem_folders(wildcards)
        ),
        # not an output: Snakemake would wipe it before each attempt
        checkpoints=lambda wildcards: f"results/{wildcards.run}/checkpoints",
        settings=settings("distmem.ladder"),
        seed=CONFIG.seed,
        code=code("rote.papers.distmem.cli:train_ladder"),
    shell:
        "rote distmem train-ladder --network {wildcards.network} {params.corpora} --out {output.models:q}"
        " --checkpoints {params.checkpoints:q} --checkpoint-steps {resources.checkpoint_steps}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


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
    threads: 1
    resources:
        gpu=1,
        mem_mb=4000,
        runtime=at_scale(30, 240),
        checkpoint_steps=CONFIG.checkpoint_steps,  # here, not in params: changing it must not train again
    params:
        corpora=lambda wildcards: " ".join(
            f"--corpora {folder}" for folder in distmem_folders(wildcards)
        ),
        # not an output: Snakemake would wipe it before each attempt
        checkpoints=lambda wildcards: f"results/{wildcards.run}/checkpoints",
        settings=settings("distmem.ladder"),
        network=CONFIG.distmem.ablation.network,
        every=CONFIG.distmem.ablation.every,
        seed=CONFIG.seed,
        code=code("rote.papers.distmem.cli:train_ablation"),
    shell:
        "rote distmem train-ablation {params.corpora} --network {params.network} --every {params.every} --out {output.out:q}"
        " --checkpoints {params.checkpoints:q} --checkpoint-steps {resources.checkpoint_steps}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


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
    threads: 1
    resources:
        gpu=lambda wildcards: int(bool(CONFIG.distmem.analysis.embedding)),
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        settings=settings("distmem.analysis"),
        code=code("rote.papers.distmem.cli:embed_pairs"),
    shell:
        "rote distmem embed-pairs --words {input.words:q} --examples {input.examples:q} --out {output.out:q}"
        " --settings {params.settings:q}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


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
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 8000),
        runtime=at_scale(10, 1440),
    params:
        parts=lambda wildcards: len(distmem_parts(wildcards.source)),
        settings=settings("distmem.analysis"),
        code=code("rote.papers.distmem.cli:count_pairs"),
    shell:
        "rote distmem count-pairs --words {input.words:q} --pairs {input.pairs:q} --out {output.out:q}"
        " --part {wildcards.part} --parts {params.parts}"
        " --settings {params.settings:q}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


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
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        parts=lambda wildcards, input: " ".join(
            f"--part {path}" for path in input.counts
        ),
        code=code("rote.papers.distmem.cli:count_total"),
    shell:
        "rote distmem count-total {params.parts} --pairs {input.pairs:q} --out {output.out:q}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


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
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 64000),
        runtime=at_scale(10, 1440),
    params:
        settings=settings("distmem.analysis"),
        code=code("rote.papers.distmem.cli:count_infinity"),
    shell:
        "rote distmem count-infinity --tokens {input.tokens:q} --examples {input.examples:q} --out {output.out:q}"
        " --settings {params.settings:q}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


include: "distmem_evaluate.smk"


rule distmem_draw_figures:
    input:
        PRODUCTS["distmem"]["tables"],
    output:
        drawn("distmem", DISTMEM_FIGURES),
    log:
        "results/{run}/logs/distmem_draw_figures.log",
    benchmark:
        "results/{run}/benchmarks/distmem_draw_figures.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        tables=subpath(input[0], parent=True),
        figures=subpath(output[0], parent=True),
        code=code("rote.cli:draw", "rote.papers.distmem.figures"),
    shell:
        "rote draw --paper distmem --results {params.tables:q} --out {params.figures:q} 2> {log:q}"
