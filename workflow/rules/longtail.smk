# Long-tail composition (arXiv 2510.16322): linear, network and kernel track.

LONGTAIL = "results/{run}/longtail"
LONGTAIL_FIGURES = [
    "linear_risk",
    "rare_digit",
    "isolation",
    "weight_decay",
    "ridge",
    "shrinkage",
    "ranks",
    "scaling",
    "interpolators",
    "structure",
    "companions",
    "memorization",
    "early_stopping",
    "leave_one_out",
]
LONGTAIL_TABLES = [
    "linear_sets",
    "linear_sweep",
    "linear_ranks",
    "linear_shrinkage",
    "scaling",
    "interpolators",
    "influence",
    "leave_one_out",
    "descent",
    "network",
    "kernel",
]
PRODUCTS["longtail"] = {
    "tables": [f"{LONGTAIL}/{table}.parquet" for table in LONGTAIL_TABLES],
    "figures": [f"{LONGTAIL}/figures/{figure}.png" for figure in LONGTAIL_FIGURES],
}


localrules:
    longtail,


rule longtail:
    input:
        [
            path
            for paths in PRODUCTS["longtail"].values()
            for path in expand(paths, run=CONFIG.run)
        ],
    resources:
        gpu=0,


rule longtail_solve_linear:
    output:
        sets=f"{LONGTAIL}/linear_sets.parquet",
        sweep=f"{LONGTAIL}/linear_sweep.parquet",
        ranks=f"{LONGTAIL}/linear_ranks.parquet",
        shrinkage=f"{LONGTAIL}/linear_shrinkage.parquet",
    log:
        "results/{run}/logs/longtail_solve_linear.log",
    benchmark:
        "results/{run}/benchmarks/longtail_solve_linear.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("longtail.linear"),
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:solve_linear"),
    shell:
        "rote longtail solve-linear --sets {output.sets:q} --sweep {output.sweep:q} --ranks {output.ranks:q}"
        " --shrinkage {output.shrinkage:q} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_solve_scaling:
    output:
        out=f"{LONGTAIL}/scaling.parquet",
    log:
        "results/{run}/logs/longtail_solve_scaling.log",
    benchmark:
        "results/{run}/benchmarks/longtail_solve_scaling.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("longtail.scaling"),
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:solve_scaling"),
    shell:
        "rote longtail solve-scaling --out {output.out:q} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_solve_interpolators:
    output:
        out=f"{LONGTAIL}/interpolators.parquet",
    log:
        "results/{run}/logs/longtail_solve_interpolators.log",
    benchmark:
        "results/{run}/benchmarks/longtail_solve_interpolators.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("longtail.interpolators"),
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:solve_interpolators"),
    shell:
        "rote longtail solve-interpolators --out {output.out:q} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_solve_influence:
    output:
        influence=f"{LONGTAIL}/influence.parquet",
        leave_one_out=f"{LONGTAIL}/leave_one_out.parquet",
        descent=f"{LONGTAIL}/descent.parquet",
    log:
        "results/{run}/logs/longtail_solve_influence.log",
    benchmark:
        "results/{run}/benchmarks/longtail_solve_influence.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("longtail.influence"),
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:solve_influence"),
    shell:
        "rote longtail solve-influence --influence {output.influence:q} --leave-one-out {output.leave_one_out:q}"
        " --descent {output.descent:q} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_synthesize_images:
    output:
        out=f"{LONGTAIL}/images.parquet",
    log:
        "results/{run}/logs/longtail_synthesize_images.log",
    benchmark:
        "results/{run}/benchmarks/longtail_synthesize_images.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(1000, 8000),
        runtime=at_scale(5, 60),
    params:
        settings=settings("longtail.images"),
        replicates=max(
            CONFIG.longtail.network.replicates, CONFIG.longtail.kernel.replicates
        ),
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:synthesize_images"),
    shell:
        "rote longtail synthesize-images --out {output.out:q} --replicates {params.replicates}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_synthesize_triples:
    input:
        images=f"{LONGTAIL}/images.parquet",
    output:
        out=f"{LONGTAIL}/triples.parquet",
    log:
        "results/{run}/logs/longtail_synthesize_triples.log",
    benchmark:
        "results/{run}/benchmarks/longtail_synthesize_triples.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(1000, 8000),
        runtime=5,
    params:
        settings=settings("longtail.network"),
        held_out=CONFIG.longtail.images.held_out,
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:synthesize_triples"),
    shell:
        "rote longtail synthesize-triples --images {input.images:q} --out {output.out:q}"
        " --held-out {params.held_out} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_train_network:
    input:
        images=f"{LONGTAIL}/images.parquet",
        triples=f"{LONGTAIL}/triples.parquet",
    output:
        out=f"{LONGTAIL}/network_{{architecture}}.parquet",
    log:
        "results/{run}/logs/longtail_train_network_{architecture}.log",
    benchmark:
        "results/{run}/benchmarks/longtail_train_network_{architecture}.tsv"
    priority: 10
    threads: 1
    resources:
        gpu=1,
        mem_mb=at_scale(3000, 16000),
        runtime=at_scale(20, 2880),
        checkpoint_steps=CONFIG.checkpoint_steps,  # here, not in params: changing it must not train again
    params:
        settings=settings("longtail.network"),
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:train_network"),
        # not an output: Snakemake would wipe it before each attempt
        checkpoints=lambda wildcards: f"results/{wildcards.run}/checkpoints",
    shell:
        "rote longtail train-network --architecture {wildcards.architecture} --images {input.images:q}"
        " --triples {input.triples:q} --out {output.out:q} --checkpoints {params.checkpoints:q}"
        " --checkpoint-steps {resources.checkpoint_steps} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_evaluate_networks:
    input:
        losses=expand(
            f"{LONGTAIL}/network_{{architecture}}.parquet",
            architecture=CONFIG.longtail.network.architectures,
            allow_missing=True,
        ),
    output:
        out=f"{LONGTAIL}/network.parquet",
    log:
        "results/{run}/logs/longtail_evaluate_networks.log",
    benchmark:
        "results/{run}/benchmarks/longtail_evaluate_networks.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=5,
    params:
        losses=lambda wildcards, input: [f"--losses={path}" for path in input.losses],
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:evaluate_networks"),
    shell:
        "rote longtail evaluate-networks {params.losses:q} --out {output.out:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_synthesize_kernel_triples:
    input:
        images=f"{LONGTAIL}/images.parquet",
    output:
        out=f"{LONGTAIL}/kernel_triples.parquet",
    log:
        "results/{run}/logs/longtail_synthesize_kernel_triples.log",
    benchmark:
        "results/{run}/benchmarks/longtail_synthesize_kernel_triples.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(1000, 4000),
        runtime=5,
    params:
        settings=settings("longtail.kernel"),
        zipf=CONFIG.longtail.network.zipf,
        held_out=CONFIG.longtail.images.held_out,
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:synthesize_kernel_triples"),
    shell:
        "rote longtail synthesize-kernel-triples --images {input.images:q} --out {output.out:q}"
        " --zipf {params.zipf} --held-out {params.held_out} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_fit_kernel:
    input:
        images=f"{LONGTAIL}/images.parquet",
        triples=f"{LONGTAIL}/kernel_triples.parquet",
    output:
        out=f"{LONGTAIL}/kernel.parquet",
    log:
        "results/{run}/logs/longtail_fit_kernel.log",
    benchmark:
        "results/{run}/benchmarks/longtail_fit_kernel.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 8000),
        runtime=10,
    params:
        settings=settings("longtail.kernel"),
        seed=CONFIG.seed,
        code=code("rote.papers.longtail.cli:fit_kernel"),
    shell:
        "rote longtail fit-kernel --images {input.images:q} --triples {input.triples:q} --out {output.out:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule longtail_draw_figures:
    input:
        PRODUCTS["longtail"]["tables"],
    output:
        drawn("longtail", LONGTAIL_FIGURES),
    log:
        "results/{run}/logs/longtail_draw_figures.log",
    benchmark:
        "results/{run}/benchmarks/longtail_draw_figures.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        tables=subpath(input[0], parent=True),
        figures=subpath(output[0], parent=True),
        code=code("rote.cli:draw", "rote.papers.longtail.figures"),
    shell:
        "rote draw --paper longtail --results {params.tables:q} --out {params.figures:q} 2> {log:q}"
