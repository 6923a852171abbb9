# ResMem: the linear theory, and the chain base -> embedding -> residuals -> evaluation for every task.


include: "resmem_inputs.smk"


RESMEM = "results/{run}/resmem"
RESMEM_FIGURES = [
    "toy",
    "risk",
    "slopes",
    "noise",
    "size",
    "examples",
    "grid",
    "labels",
    "frequency",
    "helps",
    "text",
    "strength",
    "calibration",
    "growth",
    "crossfit",
    "memorization",
    "spurious",
]
RESMEM_TABLES = [
    "toy",
    "risks",
    "noisy",
    "regression",
    "choices",
    "accuracy",
    "sweeps",
    "calibration",
    "parts",
    "grid",
    "growth",
    "crossfit",
    "memorization",
    "spurious",
]
RESMEM_MEASURED = [
    "choices",
    "regression",
    "accuracy",
    "sweeps",
    "calibration",
    "parts",
    "grid",
]
PRODUCTS["resmem"] = {
    "tables": [f"{RESMEM}/{table}.parquet" for table in RESMEM_TABLES],
    "figures": [f"{RESMEM}/figures/{figure}.png" for figure in RESMEM_FIGURES],
}


localrules:
    resmem,


rule resmem:
    input:
        [
            path
            for paths in PRODUCTS["resmem"].values()
            for path in expand(paths, run=CONFIG.run)
        ],
    resources:
        gpu=0,


rule resmem_solve_linear:
    output:
        risks=f"{RESMEM}/risks.parquet",
        noisy=f"{RESMEM}/noisy.parquet",
        toy=f"{RESMEM}/toy.parquet",
    log:
        "results/{run}/logs/resmem_solve_linear.log",
    benchmark:
        "results/{run}/benchmarks/resmem_solve_linear.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        settings=settings("resmem.theory"),
        seed=CONFIG.seed,
        code=code("rote.papers.resmem.cli:solve_linear"),
    shell:
        "rote resmem solve-linear --risks {output.risks:q} --noisy {output.noisy:q} --toy {output.toy:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule resmem_train_base:
    output:
        out=f"{RESMEM}/bases/{{task}}.safetensors",
    log:
        "results/{run}/logs/resmem_train_base_{task}.log",
    benchmark:
        "results/{run}/benchmarks/resmem_train_base_{task}.tsv"
    wildcard_constraints:
        task="|".join(RESMEM_TASKS),
    priority: 20
    threads: 1
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 480),
        checkpoint_steps=CONFIG.checkpoint_steps,  # here, not in params: changing it must not train again
    params:
        # not an output: Snakemake would wipe it before each attempt
        checkpoints=lambda wildcards: f"results/{wildcards.run}/checkpoints",
        settings=resmem_task,
        seed=CONFIG.seed,
        code=code("rote.papers.resmem.cli:train_base"),
    shell:
        "rote resmem train-base --task {wildcards.task} --out {output.out:q}"
        " --checkpoints {params.checkpoints:q} --checkpoint-steps {resources.checkpoint_steps}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule resmem_embed:
    input:
        bases=f"{RESMEM}/bases/{{task}}.safetensors",
    output:
        out=f"{RESMEM}/embeddings/{{task}}.safetensors",
    log:
        "results/{run}/logs/resmem_embed_{task}.log",
    benchmark:
        "results/{run}/benchmarks/resmem_embed_{task}.tsv"
    wildcard_constraints:
        task="|".join(RESMEM_TASKS),
    priority: 20
    threads: 1
    resources:
        gpu=at_scale(0, 1),
        mem_mb=at_scale(3000, 32000),
        runtime=at_scale(10, 480),
    params:
        settings=resmem_task,
        seed=CONFIG.seed,
        code=code("rote.papers.resmem.cli:embed"),
    shell:
        "rote resmem embed --task {wildcards.task} --bases {input.bases:q} --out {output.out:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule resmem_fit_residuals:
    input:
        embeddings=f"{RESMEM}/embeddings/{{task}}.safetensors",
    output:
        out=f"{RESMEM}/residuals/{{task}}.safetensors",
        choices=f"{RESMEM}/residuals/{{task}}.parquet",
    log:
        "results/{run}/logs/resmem_fit_residuals_{task}.log",
    benchmark:
        "results/{run}/benchmarks/resmem_fit_residuals_{task}.tsv"
    wildcard_constraints:
        task="|".join(RESMEM_TASKS),
    priority: 20
    threads: 1
    resources:
        gpu=int(CONFIG.resmem.memory.engine == "torch"),
        mem_mb=at_scale(3000, 64000),
        runtime=at_scale(10, 240),
    params:
        settings=resmem_memory,
        seed=CONFIG.seed,
        code=code("rote.papers.resmem.cli:fit_residuals"),
    shell:
        "rote resmem fit-residuals --task {wildcards.task} --embeddings {input.embeddings:q} --out {output.out:q}"
        " --choices {output.choices:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule resmem_evaluate:
    input:
        embeddings=f"{RESMEM}/embeddings/{{task}}.safetensors",
        residuals=f"{RESMEM}/residuals/{{task}}.safetensors",
        choices=f"{RESMEM}/residuals/{{task}}.parquet",
    output:
        out=directory(f"{RESMEM}/evaluations/{{task}}"),
    log:
        "results/{run}/logs/resmem_evaluate_{task}.log",
    benchmark:
        "results/{run}/benchmarks/resmem_evaluate_{task}.tsv"
    wildcard_constraints:
        task="|".join(RESMEM_TASKS),
    priority: 10
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(3000, 64000),
        runtime=at_scale(10, 240),
    params:
        settings=resmem_task,
        seed=CONFIG.seed,
        code=code("rote.papers.resmem.cli:evaluate"),
    shell:
        "rote resmem evaluate --task {wildcards.task} --embeddings {input.embeddings:q} --residuals {input.residuals:q}"
        " --choices {input.choices:q} --out {output.out:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule resmem_evaluate_tasks:
    input:
        choices=[f"{RESMEM}/residuals/{task}.parquet" for task in RESMEM_TASKS],
        evaluations=[f"{RESMEM}/evaluations/{task}" for task in RESMEM_TASKS],
    output:
        [f"{RESMEM}/{table}.parquet" for table in RESMEM_MEASURED],
    log:
        "results/{run}/logs/resmem_evaluate_tasks.log",
    benchmark:
        "results/{run}/benchmarks/resmem_evaluate_tasks.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        tasks=" ".join(f"--task {task}" for task in RESMEM_TASKS),
        choices=lambda wildcards: f"results/{wildcards.run}/resmem/residuals",
        evaluations=lambda wildcards: f"results/{wildcards.run}/resmem/evaluations",
        folder=subpath(output[0], parent=True),
        code=code("rote.papers.resmem.cli:evaluate_tasks"),
    shell:
        "rote resmem evaluate-tasks {params.tasks} --choices {params.choices:q}"
        " --evaluations {params.evaluations:q} --out {params.folder:q}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule resmem_evaluate_growth:
    input:
        bases=f"{RESMEM}/bases/longtail.safetensors",
        embeddings=f"{RESMEM}/embeddings/longtail.safetensors",
    output:
        growth=f"{RESMEM}/growth.parquet",
        crossfit=f"{RESMEM}/crossfit.parquet",
    log:
        "results/{run}/logs/resmem_evaluate_growth.log",
    benchmark:
        "results/{run}/benchmarks/resmem_evaluate_growth.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 120),
    params:
        settings=resmem_settings("longtail"),
        seed=CONFIG.seed,
        code=code("rote.papers.resmem.cli:evaluate_growth"),
    shell:
        "rote resmem evaluate-growth --bases {input.bases:q} --embeddings {input.embeddings:q}"
        " --growth {output.growth:q} --crossfit {output.crossfit:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule resmem_evaluate_memorization:
    output:
        out=f"{RESMEM}/memorization.parquet",
    log:
        "results/{run}/logs/resmem_evaluate_memorization.log",
    benchmark:
        "results/{run}/benchmarks/resmem_evaluate_memorization.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=at_scale(10, 120),
    params:
        settings=resmem_settings("scores", "longtail"),
        seed=CONFIG.seed,
        code=code("rote.papers.resmem.cli:evaluate_memorization"),
    shell:
        "rote resmem evaluate-memorization --out {output.out:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule resmem_train_spurious:
    output:
        out=f"{RESMEM}/spurious.parquet",
    log:
        "results/{run}/logs/resmem_train_spurious.log",
    benchmark:
        "results/{run}/benchmarks/resmem_train_spurious.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=at_scale(10, 60),
    params:
        settings=settings("resmem.spurious"),
        seed=CONFIG.seed,
        code=code("rote.papers.resmem.cli:train_spurious"),
    shell:
        "rote resmem train-spurious --out {output.out:q}"
        " --settings {params.settings:q} --seed {params.seed}"
        " --threads {threads} --gpus {resources.gpu} --code {params.code} 2> {log:q}"


rule resmem_draw_figures:
    input:
        PRODUCTS["resmem"]["tables"],
    output:
        drawn("resmem", RESMEM_FIGURES),
    log:
        "results/{run}/logs/resmem_draw_figures.log",
    benchmark:
        "results/{run}/benchmarks/resmem_draw_figures.tsv"
    threads: 1
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=10,
    params:
        tables=subpath(input[0], parent=True),
        figures=subpath(output[0], parent=True),
        code=code("rote.cli:draw", "rote.papers.resmem.figures"),
    shell:
        "rote draw --paper resmem --results {params.tables:q} --out {params.figures:q} 2> {log:q}"
