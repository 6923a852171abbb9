"""One network trained again: on changed corpora, and from another initialization."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch

from rote.core import tables
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.models import lm
from rote.papers.distmem import corpora, ladder, schema, treatments
from rote.papers.distmem.families import Rung
from rote.papers.distmem.ladder import LadderTraining, TrainingCorpus
from rote.papers.distmem.settings import DistmemLadder
from rote.papers.distmem.tasks import FACTS, TEST, prompt


class Retraining(NamedTuple):
    """What one network is trained on.

    Attributes:
        variant: changed or reinitialized.
        corpus: its stream is the changed one.
        facts: the table CorpusFacts.
        treatment: by fact, its name.
        documents: by fact, those that state it in what is trained on.
    """

    variant: str
    corpus: TrainingCorpus
    facts: pd.DataFrame
    treatment: np.ndarray
    documents: np.ndarray


class FactRecall(NamedTuple):
    """What a network knows of the facts, (facts,) each.

    Attributes:
        logprobs: of the true object, nats.
        correct: whether it is the likeliest token.
    """

    logprobs: np.ndarray
    correct: np.ndarray


def retrain(
    rung: Rung,
    training_corpora: Sequence[TrainingCorpus],
    every: int,
    options: DistmemLadder,
    seed: int,
    training: LadderTraining,
) -> pd.DataFrame:
    """The table RetrainedFacts: networks of one size trained again, stacked.

    One per corpus with the documents of some facts changed; and one on the first corpus as it is,
    from another initialization: the noise of the initialization alone, which one corpus tells.

    Args:
        rung: size of the networks.
        training_corpora: unchanged ones, see `ladder.read`.
        every: of so many facts by rank, one gets each treatment.
        options: of the training.
        seed: of initial weights and changes.
        training: where it runs and saves its state.

    Raises:
        InputError: if a changed corpus has another length than it had.
    """
    runs = [_changed(corpus, every, seed, number) for number, corpus in enumerate(training_corpora)]
    rngs = [ladder.initialization(seed, rung, number) for number in range(len(runs))]
    runs.append(_reinitialized(training_corpora[0]))
    rngs.append(ladder.initialization(seed, rung, 0, "again"))
    streams = [run.corpus.stream for run in runs]
    trained = ladder.fit(rung, streams, len(training_corpora[0].words), options, rngs, training)
    parts = []
    for model, run in enumerate(runs):
        parameters = {
            name: value[model : model + 1] for name, value in trained.snapshots[1.0].items()
        }
        result = recall(trained.stack, parameters, _questions(run), run.corpus.words)
        columns = {
            "source": run.corpus.name,
            "model": rung.name,
            "variant": run.variant,
            "fact": run.facts["fact"],
            "treatment": run.treatment,
            "documents_before": run.facts["documents"],
            "documents_after": run.documents,
            "logprob": result.logprobs,
            "correct": result.correct,
        }
        parts.append(tables.frame(schema.RetrainedFacts, columns))
    return pd.concat(parts, ignore_index=True)


def _changed(corpus: TrainingCorpus, every: int, seed: int, number: int) -> Retraining:
    facts = tables.read(corpus.folder / "facts.parquet")
    treatment = treatments.assign(facts, every)
    documents = corpora.read(corpus.folder / "corpus.jsonl")
    rng = generator(seed, "distmem", "ablation", number)
    changed = treatments.change(documents, facts, treatment, rng)
    ids = {word: token for token, word in enumerate(corpus.words)}
    stream: list[int] = []
    for text in changed.texts:
        stream += [ids[word] for word in text.split()]
        stream.append(0)
    if len(stream) != len(corpus.stream):
        raise InputError(
            f"the changed corpus has {len(stream)} tokens instead of {len(corpus.stream)}"
        )
    return Retraining(
        variant=treatments.CHANGED,
        corpus=corpus._replace(stream=np.array(stream)),
        facts=facts,
        treatment=treatment.to_numpy(),
        documents=changed.documents.to_numpy(),
    )


def _reinitialized(corpus: TrainingCorpus) -> Retraining:
    facts = tables.read(corpus.folder / "facts.parquet")
    untreated = np.full(len(facts), treatments.UNCHANGED.name)
    return Retraining(
        variant=treatments.REINITIALIZED,
        corpus=corpus,
        facts=facts,
        treatment=untreated,
        documents=facts["documents"].to_numpy(),
    )


def _questions(run: Retraining) -> pd.DataFrame:
    """The test question of every fact."""
    examples = run.corpus.examples
    is_question = (examples["task"] == FACTS.name) & (examples["part"] == TEST)
    return examples[is_question].set_index("fact", drop=False).loc[run.facts["fact"]]


def recall(
    stack: lm.LanguageStack,
    parameters: lm.Parameters,
    questions: pd.DataFrame,
    words: Sequence[str],
) -> FactRecall:
    """What one network knows of the facts.

    Args:
        parameters: of a stack of one network.
        questions: rows of TaskExamples, one per fact, whose outputs are single words.
        words: the vocabulary.
    """
    device = next(iter(parameters.values())).device
    ids = {word: token for token, word in enumerate(words)}
    prompts = []
    for row in questions.itertuples():
        units = prompt(row.instruction, row.input).split()
        prompts.append([0, *(ids[word] for word in units)])
    targets = torch.tensor([ids[word] for word in questions["output"]], device=device)
    length = 1 + max(map(len, prompts))
    tokens = torch.zeros(1, len(prompts), length, dtype=torch.long, device=device)
    for row, token_ids in enumerate(prompts):
        tokens[0, row, : len(token_ids)] = torch.tensor(token_ids)
    last = torch.tensor([len(token_ids) - 1 for token_ids in prompts], device=device)
    with torch.no_grad():
        logits = stack.forward(parameters, tokens)[0, torch.arange(len(prompts)), last]
        logprobs = logits.log_softmax(-1)
    of_targets = logprobs.gather(1, targets[:, None])[:, 0]
    return FactRecall(
        of_targets.double().cpu().numpy(), (logprobs.argmax(1) == targets).cpu().numpy()
    )
