"""Generated corpora as files and tables."""

import json
from pathlib import Path

import numpy as np
import pandas as pd

from rote.core.seeds import generator
from rote.core.tables import atomic
from rote.papers.distmem import settings
from rote.papers.distmem.tasks import COLUMNS
from rote.synth import pretraining

PROMPTED = 100  # examples that every wording is tried on
# other ways to ask, {input} and {filler} filled in; what they mean to a model differs as much as
# how common they are
WORDINGS = {
    "facts": [
        "question : {input} ? answer :",
        "question : {input} ? {filler} {filler} {filler} answer :",
        "{input} is",
        "{input} {filler} is",
        "people say {input} is",
        "answer : {input} ?",
        "{input}",
        "{filler} of {input} answer :",
    ],
    "reasoning": [
        "question : {input} answer :",
        "people say {input}",
        "{filler} {filler} . {input}",
        "{input} question :",
        "english : {input} lang :",
        "answer : {input}",
    ],
}


def make(options: settings.World, seed: int, world: int) -> pretraining.World:
    """A generated corpus by its number."""
    sizes = options.model_dump(exclude={"replicates"})
    return pretraining.make(generator(seed, "distmem", "world", world), **sizes)


def write_corpus(path: Path, documents: pd.DataFrame) -> None:
    """One JSON object per line: id, kind, fact, entity, text."""
    with atomic(path) as temporary, temporary.open("w") as file:
        for number, row in enumerate(documents.itertuples()):
            about = {
                "id": number,
                "kind": row.kind,
                "fact": row.fact,
                "entity": row.entity,
                "text": row.text,
            }
            file.write(json.dumps(about) + "\n")


def read_corpus(path: Path) -> pd.DataFrame:
    """What `write_corpus` wrote."""
    with path.open() as file:
        return pd.DataFrame([json.loads(line) for line in file])


def facts(made: pretraining.World, source: str) -> pd.DataFrame:
    """The table Facts."""
    stated = made.documents.loc[made.documents["fact"] >= 0, "fact"].value_counts()
    columns = ["fact", "rank", "subject", "relation", "object", "frequency", "fidelity"]
    frame = made.facts[columns].assign(
        documents=made.facts["fact"].map(stated).fillna(0).astype(int)
    )
    frame.insert(0, "source", source)
    return frame


def examples(made: pretraining.World, rng: np.random.Generator) -> pd.DataFrame:
    """The table Examples: tests, mining data, and tests in other wordings."""
    parts = [made.tests.assign(part="test"), made.mining.assign(part="mining")]
    for task, wordings in WORDINGS.items():
        asked = made.tests[made.tests["task"] == task]
        asked = asked.sample(min(PROMPTED, len(asked)), random_state=int(rng.integers(2**31)))
        for number, wording in enumerate(wordings, 1):
            while "{filler}" in wording:
                wording = wording.replace("{filler}", str(rng.choice(made.fillers)), 1)
            other = {"part": "prompts", "task": f"{task}/{number}", "instruction": wording}
            parts.append(asked.assign(**other, choices=[[]] * len(asked)))
    return pd.concat(parts, ignore_index=True)[COLUMNS]
