# Memorized priors in inverse problems: closed forms, forward operators, what a published rate measures.

INVERSION = "results/{run}/inversion"
INVERSION_FIGURES = [
    "stylized",
    "convergence",
    "components",
    "ratios",
    "rates",
    "linearized",
    "schedules",
]
INVERSION_TABLES = [
    "stylized",
    "densities",
    "planes",
    "sampling",
    "components",
    "operators",
    "rates",
    "ratios",
    "linearized",
    "schedules",
]
PRODUCTS["inversion"] = {
    "tables": [f"{INVERSION}/{table}.parquet" for table in INVERSION_TABLES],
    "figures": [f"{INVERSION}/figures/{figure}.png" for figure in INVERSION_FIGURES],
}


localrules:
    inversion,


rule inversion:
    input:
        [
            path
            for paths in PRODUCTS["inversion"].values()
            for path in expand(paths, run=CONFIG.run)
        ],
    resources:
        gpu=0,


rule inversion_solve_stylized:
    output:
        [
            f"{INVERSION}/{table}.parquet"
            for table in ("stylized", "densities", "planes", "components")
        ],
    log:
        "results/{run}/logs/inversion_solve_stylized.log",
    benchmark:
        "results/{run}/benchmarks/inversion_solve_stylized.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=10,
    params:
        folder=subpath(output[0], parent=True),
        settings=settings("inversion.stylized"),
        code=code("rote.papers.inversion.cli:solve_stylized"),
    shell:
        "rote inversion solve-stylized --out {params.folder:q} --settings {params.settings:q}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule inversion_simulate_sampling:
    output:
        out=f"{INVERSION}/sampling.parquet",
    log:
        "results/{run}/logs/inversion_simulate_sampling.log",
    benchmark:
        "results/{run}/benchmarks/inversion_simulate_sampling.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("inversion.stylized"),
        seed=CONFIG.seed,
        code=code("rote.papers.inversion.cli:simulate_sampling"),
    shell:
        "rote inversion simulate-sampling --out {output.out:q} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule inversion_solve_operators:
    output:
        out=f"{INVERSION}/operators.parquet",
    log:
        "results/{run}/logs/inversion_solve_operators.log",
    benchmark:
        "results/{run}/benchmarks/inversion_solve_operators.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 120),
    params:
        settings=settings("inversion.acquisition"),
        seed=CONFIG.seed,
        code=code("rote.papers.inversion.cli:solve_operators"),
    shell:
        "rote inversion solve-operators --out {output.out:q} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule inversion_evaluate_rates:
    output:
        rates=f"{INVERSION}/rates.parquet",
        ratios=f"{INVERSION}/ratios.parquet",
    log:
        "results/{run}/logs/inversion_evaluate_rates.log",
    benchmark:
        "results/{run}/benchmarks/inversion_evaluate_rates.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("inversion.models"),
        seed=CONFIG.seed,
        code=code("rote.papers.inversion.cli:evaluate_rates"),
    shell:
        "rote inversion evaluate-rates --rates {output.rates:q} --ratios {output.ratios:q} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule inversion_solve_linearized:
    output:
        out=f"{INVERSION}/linearized.parquet",
    log:
        "results/{run}/logs/inversion_solve_linearized.log",
    benchmark:
        "results/{run}/benchmarks/inversion_solve_linearized.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(3000, 32000),
        runtime=at_scale(20, 480),
    params:
        settings=settings("inversion"),
        seed=CONFIG.seed,
        code=code("rote.papers.inversion.cli:solve_linearized"),
    shell:
        "rote inversion solve-linearized --out {output.out:q} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule inversion_simulate_schedules:
    output:
        out=f"{INVERSION}/schedules.parquet",
    log:
        "results/{run}/logs/inversion_simulate_schedules.log",
    benchmark:
        "results/{run}/benchmarks/inversion_simulate_schedules.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("inversion"),
        seed=CONFIG.seed,
        code=code("rote.papers.inversion.cli:simulate_schedules"),
    shell:
        "rote inversion simulate-schedules --out {output.out:q} --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule inversion_draw_figures:
    input:
        PRODUCTS["inversion"]["tables"],
    output:
        drawn("inversion", INVERSION_FIGURES),
    log:
        "results/{run}/logs/inversion_draw_figures.log",
    benchmark:
        "results/{run}/benchmarks/inversion_draw_figures.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        tables=subpath(input[0], parent=True),
        figures=subpath(output[0], parent=True),
        code=code("rote.cli:draw", "rote.papers.inversion.figures"),
    shell:
        "rote draw --paper inversion --results {params.tables:q} --out {params.figures:q} 2> {log:q}"
