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
