# In-context memorization of nonlinear attention (arXiv 2506.18656): theory, simulation, trained heads, real tokens.

ATTENTION = "results/{run}/attention"
ATTENTION_FIGURES = [
    "baseline",
    "attention",
    "nonlinearity",
    "alignment",
    "spectrum",
    "phase",
    "power",
    "verification",
    "strong",
    "variants",
    "trained",
    "embeddings",
]
ATTENTION_TABLES = [
    "curves",
    "phase",
    "checks",
    "simulations",
    "variants",
    "algebra",
    "spectrum",
    "trained",
    "embeddings",
]
PRODUCTS["attention"] = {
    "tables": [f"{ATTENTION}/{table}.parquet" for table in ATTENTION_TABLES],
    "figures": [f"{ATTENTION}/figures/{figure}.png" for figure in ATTENTION_FIGURES],
}


localrules:
    attention,


rule attention:
    input:
        [
            path
            for paths in PRODUCTS["attention"].values()
            for path in expand(paths, run=CONFIG.run)
        ],
    resources:
        gpu=0,


rule attention_solve_curves:
    output:
        curves=f"{ATTENTION}/curves.parquet",
        phase=f"{ATTENTION}/phase.parquet",
        checks=f"{ATTENTION}/checks.parquet",
    log:
        "results/{run}/logs/attention_solve_curves.log",
    benchmark:
        "results/{run}/benchmarks/attention_solve_curves.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        settings=settings("attention.theory"),
        sweep_gamma=CONFIG.attention.simulation.sweep_gamma,
        seed=CONFIG.seed,
        code=code("rote.papers.attention.cli:solve_curves"),
    shell:
        "rote attention solve-curves --curves {output.curves:q} --phase {output.phase:q} --checks {output.checks:q}"
        " --sweep-gamma {params.sweep_gamma}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule attention_simulate_contexts:
    output:
        out=f"{ATTENTION}/simulations.parquet",
    log:
        "results/{run}/logs/attention_simulate_contexts.log",
    benchmark:
        "results/{run}/benchmarks/attention_simulate_contexts.tsv"
    priority: 10
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(20, 2880),
    params:
        settings=settings("attention.simulation"),
        seed=CONFIG.seed,
        code=code("rote.papers.attention.cli:simulate_contexts"),
    shell:
        "rote attention simulate-contexts --out {output.out:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule attention_simulate_variants:
    output:
        out=f"{ATTENTION}/variants.parquet",
        spectrum=f"{ATTENTION}/spectrum.parquet",
        algebra=f"{ATTENTION}/algebra.parquet",
    log:
        "results/{run}/logs/attention_simulate_variants.log",
    benchmark:
        "results/{run}/benchmarks/attention_simulate_variants.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 720),
    params:
        settings=settings("attention.simulation"),
        seed=CONFIG.seed,
        code=code("rote.papers.attention.cli:simulate_variants"),
    shell:
        "rote attention simulate-variants --out {output.out:q} --spectrum {output.spectrum:q} --algebra {output.algebra:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule attention_train_heads:
    output:
        out=f"{ATTENTION}/trained.parquet",
    log:
        "results/{run}/logs/attention_train_heads.log",
    benchmark:
        "results/{run}/benchmarks/attention_train_heads.tsv"
    priority: 5
    threads: 1
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 720),
        checkpoint_steps=CONFIG.checkpoint_steps,  # here, not in params: changing it must not train again
    params:
        settings=settings("attention.trained"),
        # not an output: Snakemake would wipe it before each attempt
        checkpoints=lambda wildcards: f"results/{wildcards.run}/checkpoints",
        seed=CONFIG.seed,
        code=code("rote.papers.attention.cli:train_heads"),
    shell:
        "rote attention train-heads --out {output.out:q}"
        " --checkpoints {params.checkpoints:q} --checkpoint-steps {resources.checkpoint_steps}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule attention_fit_embeddings:
    output:
        out=f"{ATTENTION}/embeddings.parquet",
    log:
        "results/{run}/logs/attention_fit_embeddings.log",
    benchmark:
        "results/{run}/benchmarks/attention_fit_embeddings.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        settings=settings("attention.embeddings"),
        seed=CONFIG.seed,
        code=code("rote.papers.attention.cli:fit_embeddings"),
    shell:
        "rote attention fit-embeddings --out {output.out:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule attention_draw_figures:
    input:
        PRODUCTS["attention"]["tables"],
    output:
        drawn("attention", ATTENTION_FIGURES),
    log:
        "results/{run}/logs/attention_draw_figures.log",
    benchmark:
        "results/{run}/benchmarks/attention_draw_figures.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        tables=subpath(input[0], parent=True),
        figures=subpath(output[0], parent=True),
        code=code("rote.cli:draw", "rote.papers.attention.figures"),
    shell:
        "rote draw --paper attention --results {params.tables:q} --out {params.figures:q} 2> {log:q}"
