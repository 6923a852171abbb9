"""What a causal language model makes of the test examples: token log-probabilities, whole outputs,
its own outputs.

Every example is scored once. All n-grams, thresholds, units and spans are then sums over the stored
tokens.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch

from rote.core.job import track
from rote.papers.distmem.tasks import prompt

COLUMNS = [
    "task",
    "example",
    "choice",
    "logprobs",
    "starts",
    "ends",
    "correct",
    "truncated",
    "generated",
]
_SPARE = 4  # tokens that a generated output may be longer than the true one


def score(
    model: Any,
    tokenizer: Any,
    examples: pd.DataFrame,
    *,
    device: str = "cpu",
    batch_tokens: int = 16_384,
    generate: Callable[[str], bool] = lambda task: True,
    what: str = "scoring",
) -> pd.DataFrame:
    """Score every example's output, and its choices if it has any.

    Sequences are separator ⊕ prompt ⊕ output, in one forward pass each; a prompt that does not fit
    into the model's context is cut on the left, never the output. Log-softmax is taken in float32.

    Args:
        model, tokenizer: of transformers; the tokenizer a fast one.
        examples: columns task, example, instruction, input, output, choices.
        generate: of which tasks the model also writes the outputs itself, greedily; never of
            examples with choices.

    Returns:
        One row per example and choice (−1: the true output): the log-probabilities of its tokens
        (nats), the characters of the output that each covers, whether greedy decoding would give
        all of them, tokens cut from the prompt, and what the model wrote itself.
    """
    items = []
    for row in examples.itertuples():
        outputs = [
            (-1, row.output),
            *((number, choice) for number, choice in enumerate(row.choices)),
        ]
        items += [
            (row.task, row.example, number, prompt(row.instruction, row.input), text)
            for number, text in outputs
        ]
    limit = getattr(model.config, "max_position_embeddings", 0) or 2**30
    encoded = _encode(tokenizer, [item[3] for item in items], [item[4] for item in items], limit)
    found: list[tuple] = [()] * len(items)
    with torch.inference_mode():
        for batch in track(list(_batches([len(one[0]) for one in encoded], batch_tokens)), what):
            values, best = _next_tokens(model, [encoded[i][0] for i in batch], device)
            for i, of_tokens, greedy in zip(batch, values, best, strict=True):
                ids, spans, cut = encoded[i]
                own = slice(len(ids) - len(spans) - 1, len(ids) - 1)
                right = bool(len(spans)) and bool(greedy[own].all())
                found[i] = (
                    of_tokens[own].tolist(),
                    [s for s, _ in spans],
                    [e for _, e in spans],
                    right,
                    cut,
                )
        asked = examples[
            ~examples["choices"].str.len().astype(bool)
            & examples["task"].map(generate).astype(bool)
        ]
        written = _written(model, tokenizer, asked, items, encoded, device, batch_tokens)
    rows = [
        (*item[:3], *one, written.get(i, ""))
        for i, (item, one) in enumerate(zip(items, found, strict=True))
    ]
    return pd.DataFrame(rows, columns=COLUMNS)


def span_logprobs(
    pairs: pd.DataFrame, scores: pd.DataFrame, *, span: str = "ngram", ignore_zero: bool = False
) -> tuple[np.ndarray, int]:
    """log P_LLM(s_y | ...) of every pair (Eq. 2): the sum over the tokens that overlap its output
    n-gram.

    Args:
        pairs: columns task, example, start, end (characters of the output).
        scores: of `score`, one model, true outputs only.
        span: `ngram`, or `to_end` from the n-gram's first token to the end of the output (the
            released code).
        ignore_zero: leave tokens of probability 0 (NaN) out of the sum, as Eq. 5 does for the
            infinity-gram; the n-gram has no value only if all its tokens have none.

    Returns:
        (pairs,) nats, NaN where no token covers the n-gram or one has no finite log-probability;
        and how many pairs no token covers.
    """
    examples = pd.MultiIndex.from_frame(scores[["task", "example"]])
    row = examples.get_indexer(pd.MultiIndex.from_frame(pairs[["task", "example"]]))
    # tokens of all examples on one line: an example's characters are shifted behind those of the
    # ones before it
    sizes = scores["logprobs"].str.len().to_numpy()
    logprobs, starts, ends = (
        np.concatenate(scores[name].to_list()).astype(kind)
        for name, kind in (("logprobs", float), ("starts", np.int64), ("ends", np.int64))
    )
    shift = 1 + max(int(ends.max(initial=0)), int(pairs["end"].max()))
    owner = np.repeat(np.arange(len(scores)), sizes) * shift
    first = np.searchsorted(owner + ends, row * shift + pairs["start"].to_numpy(), side="right")
    behind = np.searchsorted(owner + starts, row * shift + pairs["end"].to_numpy(), side="left")
    if span == "to_end":
        behind = np.where(behind > first, np.cumsum(sizes)[row], behind)
    known = np.isfinite(logprobs)
    total = np.concatenate([[0.0], np.cumsum(np.where(known, logprobs, 0.0))])
    count = np.concatenate([[0], np.cumsum(known)])
    finite = count[np.maximum(behind, first)] - count[first]
    enough = finite > 0 if ignore_zero else (finite > 0) & (finite == behind - first)
    found = np.where(enough, total[np.maximum(behind, first)] - total[first], np.nan)
    return found, int((behind <= first).sum())


def _encode(
    tokenizer: Any, prompts: Sequence[str], outputs: Sequence[str], limit: int
) -> list[tuple[list[int], list[tuple[int, int]], int]]:
    """Per text: token ids, the output characters of its tokens, and how many tokens were cut from
    the prompt.
    """
    spaces = ["" if not before or before[-1].isspace() else " " for before in prompts]
    texts = [
        before + space + output
        for before, space, output in zip(prompts, spaces, outputs, strict=True)
    ]
    if tokenizer.is_fast:
        given = tokenizer(texts, return_offsets_mapping=True, add_special_tokens=False)
        every, places = given["input_ids"], given["offset_mapping"]
    else:
        every = tokenizer(texts, add_special_tokens=False)["input_ids"]
        places = [_offsets(tokenizer, ids) for ids in every]
    separator = (
        tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    )
    head = [] if separator is None else [separator]
    found = []
    for ids, offsets, before, space in zip(every, places, prompts, spaces, strict=True):
        start = len(before) + len(space)
        first = next((at for at, (_, end) in enumerate(offsets) if end > start), len(ids))
        spans = [(max(begin - start, 0), end - start) for begin, end in offsets[first:]]
        room = max(limit - len(head) - len(spans), 0 if head else 1)
        kept = ids[:first][max(first - room, 0) :]
        found.append(([*head, *kept, *ids[first:]], spans, first - len(kept)))
    return found


def _offsets(tokenizer: Any, ids: Sequence[int]) -> list[tuple[int, int]]:
    """Characters that each token covers, for a tokenizer that does not know: by decoding ever
    longer beginnings.

    A token that ends within a character covers it.
    """
    ends = [
        len(tokenizer.decode(ids[: at + 1], clean_up_tokenization_spaces=False))
        for at in range(len(ids))
    ]
    starts = np.minimum.accumulate([0, *ends][::-1])[::-1][:-1] if ends else []
    return [
        (int(start), max(int(end), int(start) + 1)) for start, end in zip(starts, ends, strict=True)
    ]


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
    model: Any, sequences: Sequence[list[int]], device: str
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probability of the token behind every position, and whether it is the likeliest,
    (sequences, longest − 1).
    """
    longest = max(map(len, sequences))
    ids = torch.zeros(len(sequences), longest, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, sequence in enumerate(
        sequences
    ):  # padded on the right: causal attention never sees it
        ids[row, : len(sequence)] = torch.tensor(sequence)
        mask[row, : len(sequence)] = 1
    ids, mask = ids.to(device), mask.to(device)
    logits, following = (
        model(input_ids=ids, attention_mask=mask).logits[:, :-1].float(),
        ids[:, 1:, None],
    )
    chosen = logits.gather(-1, following)[..., 0]
    # equal to the maximum, not argmax: several times faster, and ties are as good as the first
    likeliest = chosen == logits.amax(-1)
    return (chosen.double() - logits.logsumexp(-1).double()).cpu().numpy(), likeliest.cpu().numpy()


def _written(model, tokenizer, examples, items, encoded, device, batch_tokens) -> dict[int, str]:
    """The model's own outputs, by item: greedy, a little longer than the true output at most."""
    open_ended = set(zip(examples["task"], examples["example"], strict=True))
    asked = [i for i, item in enumerate(items) if item[2] < 0 and item[:2] in open_ended]
    prompts = {i: encoded[i][0][: len(encoded[i][0]) - len(encoded[i][1])] for i in asked}
    pad = next(i for i in (tokenizer.pad_token_id, tokenizer.eos_token_id, 0) if i is not None)
    found = {}
    for places in _batches([len(prompts[i]) for i in asked], batch_tokens // 4):
        batch = [asked[place] for place in places]
        longest = max(len(prompts[i]) for i in batch)
        ids = torch.full((len(batch), longest), pad, dtype=torch.long)
        mask = torch.zeros_like(ids)
        for row, i in enumerate(batch):  # padded on the left: what is written follows the prompt
            ids[row, longest - len(prompts[i]) :] = torch.tensor(prompts[i])
            mask[row, longest - len(prompts[i]) :] = 1
        new = max(len(encoded[i][1]) for i in batch) + _SPARE
        out = model.generate(
            input_ids=ids.to(device),
            attention_mask=mask.to(device),
            max_new_tokens=new,
            do_sample=False,
            pad_token_id=pad,
        )
        for i, row in zip(batch, out[:, longest:].cpu(), strict=True):
            own = row[: len(encoded[i][1]) + _SPARE]  # whatever else is in the batch
            found[i] = tokenizer.decode(own, skip_special_tokens=True).strip()
    return found
