# What the rules of ResMem pass on: the tasks of this run, and the options of a task's step.

# those that need files only where the config names them
RESMEM_TASKS = rote_papers.load("resmem", "tasks").of_run(CONFIG.resmem)


def task_job(verb, *sections):
    """`job` of a step of a task. Its digest covers the task's file, which the registry imports."""
    options = job(f"resmem:{verb}", sections=[*sections, "resmem.{task}"])

    def with_task(wildcards):
        digest = rote_code.digest(f"rote.papers.resmem.tasks.{wildcards.task}")
        return f"{options(wildcards)}-{digest}"  # the digest of the code is the last option

    return with_task
