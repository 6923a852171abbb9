# What the rules of ResMem pass on: the tasks of this run, and the options of a task's step.

# those that need files only where the config names them
RESMEM_TASKS = rote_papers.load("resmem", "tasks").of_run(CONFIG.resmem)
RESMEM_SCHEMA = rote_papers.load("resmem", "schema")
RESMEM_SCORES = ["resmem.scores", "resmem.longtail"]
# what follows a task's training, in one job
RESMEM_EVALUATION = [
    (
        "resmem embed --task {wildcards.task} --bases {input.bases:q}"
        " --out {output.embeddings:q}",
        "job_embed",
    ),
    (
        "resmem fit-residuals --task {wildcards.task} --embeddings {output.embeddings:q}"
        " --out {output.residuals:q} --choices {output.choices:q}",
        "job_fit",
    ),
    (
        "resmem evaluate --task {wildcards.task} --embeddings {output.embeddings:q}"
        " --residuals {output.residuals:q} --choices {output.choices:q}"
        " --out {output.out:q}",
        "job",
    ),
]
# what goes beyond the paper, in one job
RESMEM_EXTENSIONS = [
    (
        "resmem evaluate-growth --bases {input.bases:q} --embeddings {input.embeddings:q}"
        " --growth {output.growth:q} --crossfit {output.crossfit:q}",
        "job_growth",
    ),
    ("resmem evaluate-memorization --out {output.memorization:q}", "job_scores"),
    ("resmem train-spurious --out {output.spurious:q}", "job"),
]


def task_job(verb, *sections):
    """`job` of a step of a task. Its digest covers the task's file, which the registry imports."""
    options = job(f"resmem:{verb}", sections=[*sections, "resmem.{task}"])

    def with_task(wildcards):
        digest = rote_code.digest(f"rote.papers.resmem.tasks.{wildcards.task}")
        return f"{options(wildcards)}-{digest}"  # the digest of the code is the last option

    return with_task
