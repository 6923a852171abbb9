"""Generated corpora as tables: facts, and examples of the tasks."""

import pandas as pd

from rote.core import tables
from rote.core.seeds import generator
from rote.papers.distmem import schema
from rote.papers.distmem.settings import DistmemWorld
from rote.papers.distmem.tasks import MINING, REWORDED, TASKS, TEST
from rote.synth import pretraining

MAX_REWORDED = 100  # examples that every wording is tried on


def synthesize(options: DistmemWorld, seed: int, number: int) -> pretraining.PretrainingWorld:
    """A generated corpus.

    Args:
        number: of its random stream.
    """
    sizes = options.model_dump(exclude={"replicates"})
    return pretraining.make(generator(seed, "distmem", "world", number), **sizes)


def facts(world: pretraining.PretrainingWorld, source: str) -> pd.DataFrame:
    """The table CorpusFacts of the corpus `source`."""
    stating = world.documents.loc[world.documents["fact"] >= 0, "fact"].value_counts()
    documents = world.facts["fact"].map(stating).fillna(0).astype(int)
    columns = dict(world.facts.drop(columns=["entity", "distractors"]))
    return tables.frame(schema.CorpusFacts, columns | {"source": source, "documents": documents})


def examples(world: pretraining.PretrainingWorld, seed: int, number: int) -> pd.DataFrame:
    """The table TaskExamples: tests, mining data, and tests in other wordings.

    Args:
        number: of the corpus's random stream.
    """
    rng = generator(seed, "distmem", "prompts", number)
    parts = [world.tests.assign(part=TEST), world.mining.assign(part=MINING)]
    for task in TASKS.values():
        if not task.wordings:
            continue
        tests = world.tests[world.tests["task"] == task.name]
        size = min(MAX_REWORDED, len(tests))
        tests = tests.sample(size, random_state=int(rng.integers(2**31)))
        for wording, instruction in enumerate(task.wordings, 1):
            while "{filler}" in instruction:
                instruction = instruction.replace("{filler}", str(rng.choice(world.fillers)), 1)
            reworded = tests.assign(part=REWORDED, wording=wording, instruction=instruction)
            parts.append(reworded.assign(choices=[[]] * len(tests)))
    joined = pd.concat(parts, ignore_index=True)
    absent = {"group": "", "aliases": [[]] * len(joined), "whole": False}
    return tables.frame(schema.TaskExamples, dict(joined) | absent)
