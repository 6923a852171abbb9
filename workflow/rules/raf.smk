# Rules and facts (arXiv 2603.25579): theory, simulation, real images, two-layer networks.

RAF = "results/{run}/raf"
RAF_FIGURES = [
    "linear",
    "tradeoff",
    "angle",
    "optima",
    "rates",
    "features",
    "real",
    "phases",
    "phase_angle",
    "verification",
    "kernels",
    "two_layer",
]
RAF_TABLES = [
    "curves",
    "checks",
    "simulations",
    "universality",
    "reduction",
    "separability",
    "real",
    "two_layer",
]
PRODUCTS["raf"] = {
    "tables": [f"{RAF}/{table}.parquet" for table in RAF_TABLES],
    "figures": [f"{RAF}/figures/{figure}.png" for figure in RAF_FIGURES],
}


localrules:
    raf,


rule raf:
    input:
        [
            path
            for paths in PRODUCTS["raf"].values()
            for path in expand(paths, run=CONFIG.run)
        ],
    resources:
        gpu=0,


rule raf_solve_curves:
    output:
        curves=f"{RAF}/curves.parquet",
        checks=f"{RAF}/checks.parquet",
    log:
        "results/{run}/logs/raf_solve_curves.log",
    benchmark:
        "results/{run}/benchmarks/raf_solve_curves.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        settings=settings("raf.theory"),
        seed=CONFIG.seed,
        code=code("rote.papers.raf.cli:solve_curves"),
    shell:
        "rote raf solve-curves --curves {output.curves:q} --checks {output.checks:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule raf_simulate_learners:
    output:
        out=f"{RAF}/simulations.parquet",
    log:
        "results/{run}/logs/raf_simulate_learners.log",
    benchmark:
        "results/{run}/benchmarks/raf_simulate_learners.tsv"
    priority: 10
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(20, 1440),
    params:
        settings=settings("raf.simulation"),
        eps=CONFIG.raf.theory.eps,
        seed=CONFIG.seed,
        code=code("rote.papers.raf.cli:simulate_learners"),
    shell:
        "rote raf simulate-learners --out {output.out:q}"
        " --eps {params.eps} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule raf_simulate_kernels:
    output:
        out=f"{RAF}/universality.parquet",
        reduction=f"{RAF}/reduction.parquet",
    log:
        "results/{run}/logs/raf_simulate_kernels.log",
    benchmark:
        "results/{run}/benchmarks/raf_simulate_kernels.tsv"
    priority: 5
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 720),
    params:
        settings=settings("raf.universality"),
        seed=CONFIG.seed,
        code=code("rote.papers.raf.cli:simulate_kernels"),
    shell:
        "rote raf simulate-kernels --out {output.out:q} --reduction {output.reduction:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule raf_simulate_separability:
    output:
        out=f"{RAF}/separability.parquet",
    log:
        "results/{run}/logs/raf_simulate_separability.log",
    benchmark:
        "results/{run}/benchmarks/raf_simulate_separability.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        settings=settings("raf.separability"),
        seed=CONFIG.seed,
        code=code("rote.papers.raf.cli:simulate_separability"),
    shell:
        "rote raf simulate-separability --out {output.out:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule raf_fit_images:
    output:
        out=f"{RAF}/real.parquet",
    log:
        "results/{run}/logs/raf_fit_images.log",
    benchmark:
        "results/{run}/benchmarks/raf_fit_images.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 480),
    params:
        settings=settings("raf.real"),
        seed=CONFIG.seed,
        code=code("rote.papers.raf.cli:fit_images"),
    shell:
        "rote raf fit-images --out {output.out:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule raf_train_two_layer:
    output:
        out=f"{RAF}/two_layer.parquet",
    log:
        "results/{run}/logs/raf_train_two_layer.log",
    benchmark:
        "results/{run}/benchmarks/raf_train_two_layer.tsv"
    threads: 1
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 1440),
        checkpoint_steps=CONFIG.checkpoint_steps,  # here, not in params: changing it must not train again
    params:
        settings=settings("raf.two_layer"),
        # not an output: Snakemake would wipe it before each attempt
        checkpoints=lambda wildcards: f"results/{wildcards.run}/checkpoints",
        seed=CONFIG.seed,
        code=code("rote.papers.raf.cli:train_two_layer"),
    shell:
        "rote raf train-two-layer --out {output.out:q}"
        " --checkpoints {params.checkpoints:q} --checkpoint-steps {resources.checkpoint_steps} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule raf_draw_figures:
    input:
        PRODUCTS["raf"]["tables"],
    output:
        drawn("raf", RAF_FIGURES),
    log:
        "results/{run}/logs/raf_draw_figures.log",
    benchmark:
        "results/{run}/benchmarks/raf_draw_figures.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        tables=subpath(input[0], parent=True),
        figures=subpath(output[0], parent=True),
        code=code("rote.cli:draw", "rote.papers.raf.figures"),
    shell:
        "rote draw --paper raf --results {params.tables:q} --out {params.figures:q} 2> {log:q}"
