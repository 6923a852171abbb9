# ResMem: the linear theory, and the chain base -> embedding -> residuals -> evaluation for every
# task.


include: "resmem_inputs.smk"


RESMEM = "results/{run}/resmem"


rule resmem_solve_linear:
    output:
        risks=f"{RESMEM}/risks.parquet",
        noisy=f"{RESMEM}/noisy.parquet",
        toy=f"{RESMEM}/toy.parquet",
    log:
        "results/{run}/logs/resmem_solve_linear.log",
    benchmark:
        "results/{run}/benchmarks/resmem_solve_linear.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        job=job("resmem:solve_linear", "resmem.theory"),
    shell:
        rote(
            "resmem solve-linear --risks {output.risks:q} --noisy {output.noisy:q}"
            " --toy {output.toy:q}"
        )


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
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 480),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        job=task_job("train_base"),
    shell:
        rote(
            "resmem train-base --task {wildcards.task} --out {output.out:q}",
            CHECKPOINTS,
        )


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
    resources:
        gpu=at_scale(0, 1),
        mem_mb=at_scale(3000, 32000),
        runtime=at_scale(10, 480),
    params:
        job=task_job("embed"),
    shell:
        rote(
            "resmem embed --task {wildcards.task} --bases {input.bases:q}"
            " --out {output.out:q}"
        )


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
    resources:
        gpu=int(CONFIG.resmem.memory.on_device),
        mem_mb=at_scale(3000, 64000),
        runtime=at_scale(10, 240),
    params:
        job=task_job("fit_residuals", "resmem.memory"),
    shell:
        rote(
            "resmem fit-residuals --task {wildcards.task} --embeddings {input.embeddings:q}"
            " --out {output.out:q} --choices {output.choices:q}"
        )


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
    resources:
        gpu=0,
        mem_mb=at_scale(3000, 64000),
        runtime=at_scale(10, 240),
    params:
        job=task_job("evaluate"),
    shell:
        rote(
            "resmem evaluate --task {wildcards.task} --embeddings {input.embeddings:q}"
            " --residuals {input.residuals:q} --choices {input.choices:q}"
            " --out {output.out:q}"
        )


rule resmem_evaluate_tasks:
    input:
        choices=[f"{RESMEM}/residuals/{task}.parquet" for task in RESMEM_TASKS],
        evaluations=[f"{RESMEM}/evaluations/{task}" for task in RESMEM_TASKS],
    output:
        [
            f"{RESMEM}/{table}.parquet"
            for table in rote_papers.load("resmem", "schema").TASK_TABLES
        ],
    log:
        "results/{run}/logs/resmem_evaluate_tasks.log",
    benchmark:
        "results/{run}/benchmarks/resmem_evaluate_tasks.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        tasks=" ".join(f"--task {task}" for task in RESMEM_TASKS),
        choices=lambda wildcards: f"results/{wildcards.run}/resmem/residuals",
        evaluations=lambda wildcards: f"results/{wildcards.run}/resmem/evaluations",
        folder=subpath(output[0], parent=True),
        job=job("resmem:evaluate_tasks", seed=False),
    shell:
        rote(
            "resmem evaluate-tasks {params.tasks} --choices {params.choices:q}"
            " --evaluations {params.evaluations:q} --out {params.folder:q}"
        )


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
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 120),
    params:
        job=job("resmem:evaluate_growth", sections=["resmem.longtail"]),
    shell:
        rote(
            "resmem evaluate-growth --bases {input.bases:q}"
            " --embeddings {input.embeddings:q} --growth {output.growth:q}"
            " --crossfit {output.crossfit:q}"
        )


rule resmem_evaluate_memorization:
    output:
        out=f"{RESMEM}/memorization.parquet",
    log:
        "results/{run}/logs/resmem_evaluate_memorization.log",
    benchmark:
        "results/{run}/benchmarks/resmem_evaluate_memorization.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=at_scale(10, 120),
    params:
        job=job(
            "resmem:evaluate_memorization",
            sections=["resmem.scores", "resmem.longtail"],
        ),
    shell:
        rote("resmem evaluate-memorization --out {output.out:q}")


rule resmem_train_spurious:
    output:
        out=f"{RESMEM}/spurious.parquet",
    log:
        "results/{run}/logs/resmem_train_spurious.log",
    benchmark:
        "results/{run}/benchmarks/resmem_train_spurious.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=at_scale(10, 60),
    params:
        job=job("resmem:train_spurious", "resmem.spurious"),
    shell:
        rote("resmem train-spurious --out {output.out:q}")
