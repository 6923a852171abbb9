"""What a causal language model makes of the test examples.

Token log-probabilities, whole outputs, its own outputs.

Every example is scored once. All n-grams, thresholds, units and spans are then sums over the stored
tokens.
"""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import torch

from rote.core import tables
from rote.core.errors import InputError
from rote.core.job import track
from rote.models import pretrained
from rote.papers.distmem import schema
from rote.papers.distmem.families import NetworkFamily, rungs
from rote.papers.distmem.ladder import snapshot_path
from rote.papers.distmem.settings import DistmemLadder, DistmemStudy
from rote.papers.distmem.tasks import REWORDED, TEST, prompt

TRUE_OUTPUT = -1  # in the column `choice`
SPARE_TOKENS = 4  # that a generated output may be longer than the true one
BATCH_TOKENS = 16_384  # padding included


class LanguageModel(NamedTuple):
    """A causal model of transformers, its tokenizer, and where it computes."""

    model: Any
    tokenizer: Any
    device: str = "cpu"

    @property
    def size(self) -> int:
        """Its parameters."""
        return self.model.num_parameters()

    @property
    def context(self) -> int:
        """Longest input, tokens."""
        return pretrained.context(self.model)

    @property
    def head(self) -> list[int]:
        """Token ids that begin every input: a separator, or nothing."""
        separators = (self.tokenizer.bos_token_id, self.tokenizer.eos_token_id)
        return [token for token in separators if token is not None][:1]


class ScoredOutput(NamedTuple):
    """An output to score: the true one of an example, or one of its choices."""

    row: int  # of the examples
    choice: int  # number of the choice, −1 for the true output
    prompt: str
    text: str


class EncodedOutput(NamedTuple):
    """A prompt and an output as tokens.

    Attributes:
        ids: of the separator, the prompt and the output.
        spans: characters of the output that each of its tokens covers.
        truncated: tokens cut from the prompt.
    """

    ids: list[int]
    spans: list[tuple[int, int]]
    truncated: int

    @property
    def starts(self) -> list[int]:
        """First character of the output that each of its tokens covers."""
        return [start for start, _ in self.spans]

    @property
    def ends(self) -> list[int]:
        """The characters after those."""
        return [end for _, end in self.spans]

    @property
    def prompt_ids(self) -> list[int]:
        """What the model reads before the output."""
        return self.ids[: len(self.ids) - len(self.spans)]


def load(name: str, device: str, revision: str = "main", fast: bool = True) -> LanguageModel:
    """A model and its tokenizer.

    Args:
        name: Hugging Face id or folder.
        device: to compute on.
        revision: of the model, where it has an id.
        fast: refuse a tokenizer that does not know the characters of its tokens.
    """
    model = pretrained.causal(name, revision=revision).to(device)
    return LanguageModel(model, pretrained.tokenizer(name, fast=fast), device)


def score_family(
    family: NetworkFamily, models: Path, corpus: Path, options: DistmemLadder, device: str
) -> pd.DataFrame:
    """The table OutputScores of a family's networks, at every snapshot, on one generated corpus.

    Args:
        family: whose networks score.
        models: folder of <network>/<corpus>/<share>.
        corpus: folder of the corpus, whose examples are scored: the tests, and by trained networks
            those in other wordings.
        options: sizes, snapshots, and tasks whose outputs are generated.
        device: to compute on.
    """
    examples = tables.read(corpus / "examples.parquet")
    parts = []
    for rung in rungs(options, family):
        for share in options.snapshots:
            is_final = share == 1.0
            scored = [TEST, REWORDED] if is_final else [TEST]
            scores = score(
                load(str(models / rung.name / snapshot_path(corpus.name, share)), device),
                examples[examples["part"].isin(scored)],
                generated_tasks=options.generated_tasks if is_final else (),
                label=f"{rung.name}, {corpus.name}, {share:g}",
            )
            parts.append(scores.assign(model=rung.name, family=family.name, snapshot=share))
    return pd.concat(parts, ignore_index=True)


def score_pretrained(
    study: DistmemStudy, number: int, examples: pd.DataFrame, device: str
) -> pd.DataFrame:
    """The table OutputScores of a study's model on the test examples.

    Args:
        study: its models and tasks.
        number: of the model in the study's list.
        examples: the table TaskExamples.
        device: to compute on.

    Raises:
        InputError: for a number that the list does not have.
    """
    if not 0 <= number < len(study.models):
        raise InputError(f"--number must lie in 0 to {len(study.models) - 1}, given {number}")
    name, _, revision = study.models[number].partition("@")
    model = load(name, device, revision or "main", fast=False)
    tests = examples[examples["part"] == TEST]
    scores = score(model, tests, generated_tasks=study.tasks, label=name)
    return scores.assign(model=Path(name).name + (f"@{revision}" if revision else ""))


def score(
    language_model: LanguageModel,
    examples: pd.DataFrame,
    *,
    generated_tasks: Collection[str] = (),
    batch_tokens: int = BATCH_TOKENS,
    label: str = "scoring",
) -> pd.DataFrame:
    """Score every example's output, and its choices if it has any.

    Sequences are separator ⊕ prompt ⊕ output, in one forward pass each; a prompt that does not fit
    into the model's context is cut on the left, never the output. Log-softmax is taken in float32.

    Args:
        language_model: that scores.
        examples: rows of TaskExamples.
        generated_tasks: tasks whose outputs the model also generates, greedily; only examples
            without choices, in the task's own wording.
        batch_tokens: tokens of a batch, at most, padding included.
        label: what is scored, in the log.

    Returns:
        The table OutputScores, of a trained model without a name: one row per example and choice
        (−1: the true output).
    """
    outputs = _outputs(examples)
    encoded = _encode(
        language_model, [output.prompt for output in outputs], [output.text for output in outputs]
    )
    logprobs: list[list[float]] = [[]] * len(outputs)
    correct = [False] * len(outputs)
    with torch.inference_mode():
        batches = list(_batches([len(text.ids) for text in encoded], batch_tokens))
        for batch in track(batches, label):
            sequences = [encoded[i].ids for i in batch]
            values, likeliest = _next_tokens(language_model, sequences)
            for row, i in enumerate(batch):
                size = len(encoded[i].ids)
                tokens = slice(size - len(encoded[i].spans) - 1, size - 1)
                logprobs[i] = values[row, tokens].tolist()
                correct[i] = bool(encoded[i].spans) and bool(likeliest[row, tokens].all())
        is_open = ~examples["choices"].str.len().astype(bool) & (examples["wording"] == 0)
        is_open = (is_open & examples["task"].isin(list(generated_tasks))).to_numpy()
        open_outputs = [i for i, output in enumerate(outputs) if is_open[output.row]]
        generated = _generate(language_model, encoded, open_outputs, batch_tokens)
    rows = examples.iloc[[output.row for output in outputs]]
    columns = {
        "model": "",
        "family": "",
        "size": language_model.size,
        "snapshot": 1.0,
        "task": rows["task"].array,
        "wording": rows["wording"].array,
        "example": rows["example"].array,
        "choice": [output.choice for output in outputs],
        "logprobs": logprobs,
        "starts": [text.starts for text in encoded],
        "ends": [text.ends for text in encoded],
        "correct": correct,
        "truncated": [text.truncated for text in encoded],
        "generated": [generated.get(i, "") for i in range(len(outputs))],
    }
    return tables.frame(schema.OutputScores, columns)


def _outputs(examples: pd.DataFrame) -> list[ScoredOutput]:
    outputs = []
    for number, row in enumerate(examples.itertuples()):
        before = prompt(row.instruction, row.input)
        outputs.append(ScoredOutput(number, TRUE_OUTPUT, before, row.output))
        for choice, text in enumerate(row.choices):
            outputs.append(ScoredOutput(number, choice, before, text))
    return outputs


def _encode(
    language_model: LanguageModel, prompts: Sequence[str], outputs: Sequence[str]
) -> list[EncodedOutput]:
    tokenizer = language_model.tokenizer
    head = language_model.head
    spaces = ["" if not before or before[-1].isspace() else " " for before in prompts]
    befores = [before + space for before, space in zip(prompts, spaces, strict=True)]
    texts = [before + output for before, output in zip(befores, outputs, strict=True)]
    if tokenizer.is_fast:
        tokens = tokenizer(texts, return_offsets_mapping=True, add_special_tokens=False)
        offsets = tokens["offset_mapping"]
    else:
        tokens = tokenizer(texts, add_special_tokens=False)
        offsets = [_offsets(tokenizer, ids) for ids in tokens["input_ids"]]
    encoded = []
    for ids, covered, before in zip(tokens["input_ids"], offsets, befores, strict=True):
        start = len(before)
        first = next((i for i, (_, end) in enumerate(covered) if end > start), len(ids))
        spans = [(max(begin - start, 0), end - start) for begin, end in covered[first:]]
        max_prompt = language_model.context - len(head) - len(spans)
        if max_prompt < (0 if head else 1):
            raise InputError(
                f"an output of {len(spans)} tokens does not fit into the model's context of "
                f"{language_model.context}: {before[-40:]!r} ...; leave this example out"
            )
        truncated = max(first - max_prompt, 0)
        ids = [*head, *ids[truncated:first], *ids[first:]]
        encoded.append(EncodedOutput(ids, spans, truncated))
    return encoded


def _offsets(tokenizer: Any, ids: Sequence[int]) -> list[tuple[int, int]]:
    """Characters that each token covers, for a tokenizer that does not know.

    By decoding ever longer beginnings; a token that ends within a character covers it.
    """
    ends = []
    for stop in range(1, len(ids) + 1):
        ends.append(len(tokenizer.decode(ids[:stop], clean_up_tokenization_spaces=False)))
    starts = np.minimum.accumulate([0, *ends][::-1])[::-1][:-1] if ends else []
    bounds = zip(starts, ends, strict=True)
    return [(int(start), max(int(end), int(start) + 1)) for start, end in bounds]


def _batches(lengths: Sequence[int], batch_tokens: int) -> Iterator[list[int]]:
    """Items of about equal length together, at most so many tokens at a time, padding included."""
    batch: list[int] = []
    for item in np.argsort(lengths, kind="stable").tolist():
        if batch and (len(batch) + 1) * lengths[item] > batch_tokens:
            yield batch
            batch = []
        batch.append(item)
    if batch:
        yield batch


def _next_tokens(
    language_model: LanguageModel, sequences: Sequence[list[int]]
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probability of the token behind every position, and whether it is the likeliest.

    Returns:
        (sequences, longest − 1) each.
    """
    longest = max(map(len, sequences))
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    # padded on the right: causal attention never sees it
    for row, sequence in enumerate(sequences):
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    ids, mask = ids.to(language_model.device), mask.to(language_model.device)
    logits = language_model.model(input_ids=ids, attention_mask=mask).logits[:, :-1].float()
    following = logits.gather(-1, ids[:, 1:, None])[..., 0]
    # equal to the maximum, not argmax: several times faster, and ties are as good as the first
    likeliest = following == logits.amax(-1)
    logprobs = following.double() - logits.logsumexp(-1).double()
    return logprobs.cpu().numpy(), likeliest.cpu().numpy()


def _generate(
    language_model: LanguageModel,
    encoded: Sequence[EncodedOutput],
    numbers: Sequence[int],
    batch_tokens: int,
) -> dict[int, str]:
    """The model's own outputs, by number: greedy, a little longer than the true output at most."""
    tokenizer = language_model.tokenizer
    device = language_model.device
    paddings = (tokenizer.pad_token_id, tokenizer.eos_token_id, 0)
    padding = next(token for token in paddings if token is not None)
    new = {i: len(encoded[i].spans) + SPARE_TOKENS for i in numbers}
    room = {i: max(language_model.context - new[i], 1) for i in numbers}
    head = language_model.head
    bodies = {i: encoded[i].prompt_ids[len(head) :] for i in numbers}
    prompts = {
        i: [*head, *body[max(0, len(body) + len(head) - room[i]) :]] for i, body in bodies.items()
    }
    generated = {}
    for batch in _fitting(language_model, prompts, new, batch_tokens // 4):
        longest = max(len(prompts[i]) for i in batch)
        ids = torch.full((len(batch), longest), padding, dtype=torch.long)
        mask = torch.zeros_like(ids)
        # padded on the left: what is generated follows the prompt
        for row, i in enumerate(batch):
            ids[row, longest - len(prompts[i]) :] = torch.tensor(prompts[i])
            mask[row, longest - len(prompts[i]) :] = 1
        result = language_model.model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            max_new_tokens=min(max(new[i] for i in batch), language_model.context - longest),
            do_sample=False,
            pad_token_id=padding,
        )
        for i, row in zip(batch, result[:, longest:].cpu(), strict=True):
            # the limit of this output, whatever else is in the batch
            tokens = row[: new[i]]
            generated[i] = tokenizer.decode(tokens, skip_special_tokens=True).strip()
    return generated


def _fitting(
    language_model: LanguageModel,
    prompts: dict[int, list[int]],
    new: dict[int, int],
    batch_tokens: int,
) -> Iterator[list[int]]:
    """Numbers of prompts in batches that fit into the context; where none does, one by one."""
    numbers = list(prompts)
    for positions in _batches([len(prompts[i]) for i in numbers], batch_tokens):
        batch = [numbers[position] for position in positions]
        longest = max(len(prompts[i]) for i in batch)
        if longest + max(new[i] for i in batch) <= language_model.context:
            yield batch
        else:
            yield from ([i] for i in batch)
