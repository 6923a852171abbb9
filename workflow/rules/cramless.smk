# Cram less to fit more: facts, pruning by loss, networks.


include: "cramless_inputs.smk"


rule cramless_synthesize_facts:
    output:
        out=f"{CRAMLESS}/facts.parquet",
    log:
        "results/{run}/logs/cramless_synthesize_facts.log",
    benchmark:
        "results/{run}/benchmarks/cramless_synthesize_facts.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        job=job("cramless:synthesize_facts", "cramless.facts"),
    shell:
        rote("cramless synthesize-facts --out {output.out:q}")


rule cramless_train_networks:
    input:
        facts=f"{CRAMLESS}/facts.parquet",
        pruned=cramless_pruned,
        tuned=cramless_tuned,
    output:
        cramless_per_group("{group}"),
    log:
        "results/{run}/logs/cramless_train_networks_{group}.log",
    benchmark:
        "results/{run}/benchmarks/cramless_train_networks_{group}.tsv"
    wildcard_constraints:
        group="|".join(CRAMLESS_GROUPS),
    priority: 20
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(20, 1440),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        folder=subpath(output[0], parent=True),
        options=cramless_group_options,
        job=job("cramless:train_networks", "cramless"),
    shell:
        rote(
            "cramless train-networks --group {wildcards.group}"
            " --facts {input.facts:q} {params.options} --out {params.folder:q}",
            CHECKPOINTS,
        )


rule cramless_prune_facts:
    input:
        trained=f"{CRAMLESS}/groups/trained_standard.parquet",
        runs=f"{CRAMLESS}/groups/runs_standard.parquet",
    output:
        out=f"{CRAMLESS}/pruned.parquet",
    log:
        "results/{run}/logs/cramless_prune_facts.log",
    benchmark:
        "results/{run}/benchmarks/cramless_prune_facts.tsv"
    priority: 20
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        job=job("cramless:prune_facts", "cramless.facts"),
    shell:
        rote(
            "cramless prune-facts --trained {input.trained:q} --runs {input.runs:q}"
            " --out {output.out:q}"
        )


rule cramless_evaluate_networks:
    input:
        [cramless_per_group(group) for group in CRAMLESS_TRAINED],
    output:
        [f"{CRAMLESS}/{table}.parquet" for table in CRAMLESS_NETWORK_TABLES],
    log:
        "results/{run}/logs/cramless_evaluate_networks.log",
    benchmark:
        "results/{run}/benchmarks/cramless_evaluate_networks.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        groups=subpath(input[0], parent=True),
        folder=subpath(output[0], parent=True),
        job=job("cramless:evaluate_networks", "cramless.training", seed=False),
    shell:
        rote(
            "cramless evaluate-networks --groups {params.groups:q}"
            " --out {params.folder:q}"
        )


rule cramless_tokenize_text:
    output:
        folder=directory(f"{CRAMLESS}/text"),
        annotations=f"{CRAMLESS}/annotations.parquet",
        counts=f"{CRAMLESS}/fact_counts.parquet",
    log:
        "results/{run}/logs/cramless_tokenize_text.log",
    benchmark:
        "results/{run}/benchmarks/cramless_tokenize_text.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 64000),
        runtime=at_scale(30, 1440),
    params:
        job=job("cramless:tokenize_text", "cramless.text"),
    shell:
        rote(
            "cramless tokenize-text --folder {output.folder:q}"
            " --annotations {output.annotations:q} --counts {output.counts:q}"
        )


rule cramless_train_text:
    input:
        folder=f"{CRAMLESS}/text",
        annotations=f"{CRAMLESS}/annotations.parquet",
    output:
        out=f"{CRAMLESS}/groups/text_{{size}}_{{scheme}}.parquet",
    log:
        "results/{run}/logs/cramless_train_text_{size}_{scheme}.log",
    benchmark:
        "results/{run}/benchmarks/cramless_train_text_{size}_{scheme}.tsv"
    wildcard_constraints:
        size="|".join(cramless_arms.TEXT_SIZES),
        scheme="|".join(cramless_arms.TEXT_SCHEMES),
    threads: 4
    resources:
        gpu=CONFIG.cramless.text.devices,
        mem_mb=at_scale(4000, 128000),
        runtime=at_scale(60, 10080),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        job=job("cramless:train_text", "cramless.text"),
    shell:
        rote(
            "cramless train-text --size {wildcards.size} --scheme {wildcards.scheme}"
            " --folder {input.folder:q} --annotations {input.annotations:q} --out {output.out:q}",
            CHECKPOINTS,
        )


rule cramless_evaluate_text:
    input:
        runs=[
            f"{CRAMLESS}/groups/text_{arm.name}.parquet"
            for arm in cramless_arms.TEXT_ARMS
        ],
    output:
        out=f"{CRAMLESS}/text_runs.parquet",
    log:
        "results/{run}/logs/cramless_evaluate_text.log",
    benchmark:
        "results/{run}/benchmarks/cramless_evaluate_text.tsv"
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        runs=lambda wildcards, input: " ".join(f"--runs {path}" for path in input.runs),
        job=job("cramless:evaluate_text", seed=False),
    shell:
        rote("cramless evaluate-text {params.runs} --out {output.out:q}")
