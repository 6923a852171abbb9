# What the rules of ResMem pass on: the sections of one task, and the tasks of this run.


# the tasks of this run: those that need files only where the config names them
RESMEM_TASKS = ["digits", "longtail", "fine", "text", "regression"]
RESMEM_TASKS += [
    task
    for task in ("mnist", "fashion", "cifar", "pictures")
    if getattr(CONFIG.resmem, task).root
]
if CONFIG.resmem.language.corpus:
    RESMEM_TASKS.append("language")


def resmem_settings(*sections):
    """These config sections of ResMem alone, so that a change elsewhere re-runs nothing."""
    slices = [f'"{name}": {settings(f"resmem.{name}")}' for name in sections]
    return "{" + ", ".join(slices) + "}"


def resmem_task(wildcards):
    """The section of a task."""
    return resmem_settings(wildcards.task)


def resmem_memory(wildcards):
    """The section of a task, and how memories are searched."""
    return resmem_settings("memory", wildcards.task)
