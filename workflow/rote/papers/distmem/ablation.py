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
from rote.papers.distmem.treatments import Evidence

STOP_WORDS = ["the", "of", "is"]  # of the generated corpora's questions


class Retraining(NamedTuple):
    """What one network is trained on.

    Attributes:
        variant: changed or reinitialized.
        corpus: its stream is the changed one.
        facts: the table CorpusFacts.
        assigned: treatment and block by fact, of `treatments.assign`.
        before: what the unchanged corpus says of the facts.
        after: what the corpus that is trained on says of them.
    """

    variant: str
    corpus: TrainingCorpus
    facts: pd.DataFrame
    assigned: pd.DataFrame
    before: Evidence
    after: Evidence


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
    from another initialization: the noise of the initialization alone, which one corpus tells. The
    changes are the same for networks of every size and family.

    Args:
        rung: size of the networks.
        training_corpora: unchanged ones, see `ladder.read`.
        every: facts of a block, see `treatments.assign`.
        options: of the training.
        seed: of initial weights and changes.
        training: where it runs and saves its state.

    Raises:
        InputError: if a changed corpus has another length than it had.
    """
    runs = [_changed(corpus, every, seed, number) for number, corpus in enumerate(training_corpora)]
    rngs = [ladder.initialization(seed, rung, number) for number in range(len(runs))]
    runs.append(_reinitialized(runs[0], training_corpora[0]))
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
            "treatment": run.assigned["treatment"].to_numpy(),
            "block": run.assigned["block"].to_numpy(),
            "logprob": result.logprobs,
            "correct": result.correct,
        }
        for name in Evidence._fields:
            columns[f"{name}_before"] = getattr(run.before, name)
            columns[f"{name}_after"] = getattr(run.after, name)
        parts.append(tables.frame(schema.RetrainedFacts, columns))
    return pd.concat(parts, ignore_index=True)


def _changed(corpus: TrainingCorpus, every: int, seed: int, number: int) -> Retraining:
    facts = tables.read(corpus.folder / "facts.parquet")
    rng = generator(seed, "distmem", "ablation", number)
    assigned = treatments.assign(facts, every, rng)
    documents = corpora.read(corpus.folder / "corpus.jsonl")
    changed = treatments.change(documents, facts, assigned["treatment"], rng)
    ids = {word: token for token, word in enumerate(corpus.words)}
    stream: list[int] = []
    for text in changed.texts:
        stream += [ids[word] for word in text.split()]
        stream.append(0)
    if len(stream) != len(corpus.stream):
        raise InputError(
            f"the changed corpus has {len(stream)} tokens instead of {len(corpus.stream)}"
        )
    texts, states = documents["text"].tolist(), documents["fact"].to_numpy()
    return Retraining(
        variant=treatments.CHANGED,
        corpus=corpus._replace(stream=np.array(stream)),
        facts=facts,
        assigned=assigned.loc[facts["fact"]],
        before=treatments.evidence(texts, states, facts, STOP_WORDS),
        after=treatments.evidence(changed.texts, changed.states, facts, STOP_WORDS),
    )


def _reinitialized(run: Retraining, corpus: TrainingCorpus) -> Retraining:
    """The first corpus as it was."""
    return run._replace(
        variant=treatments.REINITIALIZED,
        corpus=corpus,
        assigned=run.assigned.assign(treatment=treatments.UNCHANGED.name),
        after=run.before,
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
