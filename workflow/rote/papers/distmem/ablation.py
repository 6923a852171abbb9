"""Evidence changed in place: some facts' documents taken out, thinned or put in, everything else
where it was.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from rote.models import lm
from rote.papers.distmem.tasks import prompt
from rote.synth import pretraining

TREATMENTS = ("removed", "pairs", "halved", "injected")
DOSES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


def treatments(facts: pd.DataFrame, every: int) -> pd.Series:
    """Treatment by fact: of every `every` facts by rank one each is removed, ..., the others are
    kept.

    * removed: every document of the fact, and every one that only mentions its subject.
    * pairs: its documents; mentions of its subject stay.
    * halved: every second of its documents.
    * injected: its documents, and then 1, 2, 4, ... 256 true statements are put in.
    """
    place = facts["rank"] % every
    step = max(every // len(TREATMENTS), 1)
    found = pd.Series("kept", index=facts["fact"])
    for number, name in enumerate(TREATMENTS):
        found[(place == (number * step) % every).to_numpy()] = name
    return found


def change(
    documents: pd.DataFrame, facts: pd.DataFrame, treatment: pd.Series, rng: np.random.Generator
) -> tuple[list[str], pd.Series]:
    """The changed corpus, and the documents that then state each fact.

    A document that is taken out is replaced by filler of the same length, so that all other
    documents stay at their place in the same batches. What is put in replaces filler that is at
    least as long.
    """
    texts, owner = documents["text"].tolist(), documents["fact"].to_numpy()
    fillers = _fillers(documents)
    entity = documents[documents["fact"] >= 0].groupby("fact")["entity"].first()
    free: list[int] = []

    def blank(number: int) -> None:
        length = texts[number].count(" ") + 1
        texts[number] = " ".join(rng.choice(fillers, length))
        free.append(number)

    for fact, name in treatment[treatment != "kept"].items():
        own = np.flatnonzero(owner == fact)
        for number in own[:: 2 if name == "halved" else 1]:
            blank(int(number))
        if name == "removed" and fact in entity.index:
            for number in np.flatnonzero(
                (documents["kind"] == "mention") & (documents["entity"] == entity[fact])
            ):
                blank(int(number))
    after = documents.loc[owner >= 0, "fact"].value_counts().reindex(facts["fact"], fill_value=0)
    for fact, name in treatment.items():
        if name == "halved":
            after[fact] //= 2
        elif name != "kept":
            after[fact] = 0
    rows = facts.set_index("fact", drop=False)
    room = rng.permutation(free).tolist()
    for number, fact in enumerate(treatment.index[treatment == "injected"]):
        for _ in range(DOSES[number % len(DOSES)]):
            text = pretraining.statement(rng, rows.loc[fact], rows.loc[fact, "object"], fillers)
            place = next((at for at in room if texts[at].count(" ") >= text.count(" ")), None)
            if place is None:
                break
            room.remove(place)
            spare = texts[place].count(" ") - text.count(" ")
            texts[place] = " ".join([text, *rng.choice(fillers, spare)])
            after[fact] += 1
    return texts, after


def recall(
    stack: lm.LanguageStack,
    parameters: lm.Parameters,
    questions: Sequence[pd.DataFrame],
    vocabularies: Sequence[Sequence[str]],
    device: str = "cpu",
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probability of every fact's object, and whether it is the likeliest token, (models,
    facts) each.
    """
    logprobs, correct = [], []
    for model, (asked, words) in enumerate(zip(questions, vocabularies, strict=True)):
        ids = {word: number for number, word in enumerate(words)}
        rows = [
            [0, *(ids[w] for w in prompt(r.instruction, r.input).split()), ids[r.output]]
            for r in asked.itertuples()
        ]
        longest = max(map(len, rows))
        tokens = torch.zeros(1, len(rows), longest, dtype=torch.long, device=device)
        for number, row in enumerate(rows):
            tokens[0, number, : len(row)] = torch.tensor(row)
        with torch.no_grad():
            one = {name: value[model : model + 1] for name, value in parameters.items()}
            last = torch.tensor([len(row) - 2 for row in rows], device=device)
            logits = stack.forward(one, tokens)[0, torch.arange(len(rows)), last].log_softmax(-1)
        wanted = torch.tensor([row[-1] for row in rows], device=device)
        logprobs.append(logits.gather(1, wanted[:, None])[:, 0].double().cpu().numpy())
        correct.append((logits.argmax(1) == wanted).cpu().numpy())
    return np.stack(logprobs), np.stack(correct)


def _fillers(documents: pd.DataFrame) -> list[str]:
    """The filler words, most frequent first: what mentions begin with."""
    first = documents.loc[documents["kind"] == "mention", "text"].str.split().str[:3]
    return first.explode().value_counts().index.tolist()
