# What the rules of ResMem pass on: the sections of one task, and the tasks of this run.


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
