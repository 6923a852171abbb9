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


rule resmem_evaluate:
    input:
        bases=f"{RESMEM}/bases/{{task}}.safetensors",
    output:
        embeddings=f"{RESMEM}/embeddings/{{task}}.safetensors",
        residuals=f"{RESMEM}/residuals/{{task}}.safetensors",
        choices=f"{RESMEM}/residuals/{{task}}.parquet",
        out=directory(f"{RESMEM}/evaluations/{{task}}"),
    log:
        "results/{run}/logs/resmem_evaluate_{task}.log",
    benchmark:
        "results/{run}/benchmarks/resmem_evaluate_{task}.tsv"
    wildcard_constraints:
        task="|".join(RESMEM_TASKS),
    priority: 20
    resources:
        gpu=at_scale(int(CONFIG.resmem.memory.on_device), 1),
        mem_mb=at_scale(3000, 64000),
        runtime=at_scale(20, 960),
    params:
        job_embed=task_job("embed"),
        job_fit=task_job("fit_residuals", "resmem.memory"),
        job=task_job("evaluate"),
    shell:
        in_turn(*RESMEM_EVALUATION)


rule resmem_evaluate_tasks:
    input:
        choices=[f"{RESMEM}/residuals/{task}.parquet" for task in RESMEM_TASKS],
        evaluations=[f"{RESMEM}/evaluations/{task}" for task in RESMEM_TASKS],
    output:
        [f"{RESMEM}/{table}.parquet" for table in RESMEM_SCHEMA.TASK_TABLES],
    log:
        "results/{run}/logs/resmem_evaluate_tasks.log",
    benchmark:
        "results/{run}/benchmarks/resmem_evaluate_tasks.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        choices=lambda wildcards: f"results/{wildcards.run}/resmem/residuals",
        evaluations=lambda wildcards: f"results/{wildcards.run}/resmem/evaluations",
        folder=subpath(output[0], parent=True),
        names=" ".join(f"--task {task}" for task in RESMEM_TASKS),
        job=job("resmem:evaluate_tasks", seed=False),
    shell:
        rote(
            "resmem evaluate-tasks {params.names} --choices {params.choices:q}"
            " --evaluations {params.evaluations:q} --out {params.folder:q}"
        )


rule resmem_evaluate_extensions:
    input:
        bases=f"{RESMEM}/bases/longtail.safetensors",
        embeddings=f"{RESMEM}/embeddings/longtail.safetensors",
    output:
        growth=f"{RESMEM}/growth.parquet",
        crossfit=f"{RESMEM}/crossfit.parquet",
        memorization=f"{RESMEM}/memorization.parquet",
        spurious=f"{RESMEM}/spurious.parquet",
    log:
        "results/{run}/logs/resmem_evaluate_extensions.log",
    benchmark:
        "results/{run}/benchmarks/resmem_evaluate_extensions.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        job_growth=job("resmem:evaluate_growth", sections=["resmem.longtail"]),
        job_scores=job("resmem:evaluate_memorization", sections=RESMEM_SCORES),
        job=job("resmem:train_spurious", "resmem.spurious"),
    shell:
        in_turn(*RESMEM_EXTENSIONS)
