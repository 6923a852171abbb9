"""Cram less: GPT-2 on generated facts for a number of tokens, and its speed at its own sizes."""

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import numpy as np
import pandas as pd
import torch
from rote.core.work import transformer
from rote.models import pretrained
from rote.papers.cramless import corpus, schema, settings, statistics, text
from rote.papers.cramless.arms import SMALL_AUTOMATIC, SMALL_STANDARD

from tests.campaign.record import (
    Clock,
    Setting,
    Work,
    measured_peak,
    statistic,
    statistics_of,
    trained,
)

TOKENS = 16_000_000  # that each network sees, selected or not
BAR = 0.4  # share of peak that a training of GPT-2 small is to reach
SHARE = 0.2  # of the largest product's speed, by which a slow device's tokens are cut
VOCABULARY = 50_257  # GPT-2's
BATCHES = (128, 64, 32, 16, 8, 4)  # sequences that are tried, as memory allows


def measure(setting: Setting) -> Iterator[dict[str, Any]]:
    """GPT-2 small at its own vocabulary; then standard training and selection, facts recited."""
    with TemporaryDirectory() as folder:
        yield from speed(setting, Path(folder))
    with TemporaryDirectory() as folder:
        yield from facts(setting, Path(folder))


def flops_per_token(options: settings.CramlessText, vocabulary: int) -> float:
    """Forward and backward pass: weights, and attention to half of the context on average."""
    layers, _, width = options.small
    padded = text.padded_vocabulary(vocabulary, options.precision)
    return 6 * transformer(layers, width, padded) + 6 * layers * width * options.context


def speed(setting: Setting, folder: Path) -> Iterator[dict[str, Any]]:
    """Steps on random tokens, the batch as large as the device's memory allows."""
    vocabulary = 200 if setting.toy else VOCABULARY
    tokenizer = corpus.words(f"w{number}" for number in range(vocabulary - 2))
    tokenizer.save_pretrained(folder / corpus.TOKENIZER)
    count = 4000 if setting.toy else 4_000_000
    kind = corpus.dtype(vocabulary)
    np.random.default_rng(0).integers(vocabulary, size=count).astype(kind).tofile(
        folder / corpus.TOKENS
    )
    for batch in (4,) if setting.toy else BATCHES:
        options = _speed_options(setting, batch)
        clock = _timed(setting, options, folder)
        if clock:
            break
        print(f"  {batch} sequences do not fit", flush=True)
        torch.cuda.empty_cache()
    else:
        raise RuntimeError(f"not even {min(BATCHES)} sequences fit into the device's memory")
    tokens = options.batch * options.context
    layers, _, width = options.small
    work = Work(
        name=f"GPT-2, {layers} layers of width {width}, {batch} sequences of {options.context}",
        flops=tokens * flops_per_token(options, vocabulary),
        dtype=_dtype(options),
        units=tokens,
        unit="tokens",
        bar=float("nan") if setting.toy else BAR,
    )
    yield trained(setting, clock, work)


def _speed_options(setting: Setting, batch: int) -> settings.CramlessText:
    context = 32 if setting.toy else 1024
    return _options(setting, batch=batch, device_batch=batch, context=context)


def _timed(setting: Setting, options: settings.CramlessText, folder: Path) -> Clock | None:
    """A training on the tokens of a folder; None if the device has too little memory for it."""
    training = text.TextTraining(
        tokens=folder / corpus.TOKENS,
        mentions=pd.DataFrame(columns=list(schema.Mentions.model_fields)),
        probes=[],
        tokenizer=str(folder / corpus.TOKENIZER),
        shape=SMALL_STANDARD.shape(options),
        online="",
        steps=8 if setting.toy else 60,
        rate=6e-4,
        options=options,
        seed=1,
    )
    try:
        with patch.object(text, "_recall"), Clock(setting, "GPT-2").running() as clock:
            text.fit(training, _devices(setting))
    except torch.OutOfMemoryError:
        return None
    return clock


def facts(setting: Setting, folder: Path) -> Iterator[dict[str, Any]]:
    """Both arms on as many tokens: what they recite, in phrasings seen and new."""
    options = _options(setting, **_corpus(setting))
    written = corpus.prepare(options, 1, folder)
    inputs = text.read_inputs(folder, written.mentions)
    vocabulary = len(pretrained.tokenizer(inputs.tokenizer))
    tokens = options.batch * options.context
    flops = tokens * flops_per_token(options, vocabulary)
    dtype = _dtype(options)
    # two trainings, and the scores of twice a batch in one of them
    affordable = SHARE * measured_peak(setting, dtype) * 0.5 * setting.seconds / (2.7 * flops)
    budget = 10 if setting.toy else TOKENS // tokens
    steps = max(10, min(budget, int(affordable)))
    options = options.model_copy(update={"steps": steps, "warmup": steps // 10})
    places = text.Processes(devices=_devices(setting))
    frames = []
    for arm in (SMALL_STANDARD, SMALL_AUTOMATIC):
        name = f"GPT-2 on facts, scheme {arm.columns[1]}"
        with Clock(setting, name).running() as clock:
            frames.append(text.train_replicates(arm, options, inputs, 1, places))
        # of the arm that selects, what is trained on varies: its operations are not counted
        counted = flops if arm is SMALL_STANDARD else float("nan")
        yield trained(setting, clock, Work(name, counted, dtype, tokens, "tokens"))
    runs = pd.concat(frames, ignore_index=True)
    for row in runs.itertuples():
        share = row.recited / row.facts
        yield statistic("facts recited, share", f"{row.scheme}, {row.kind}", [share])
    yield from statistics_of([statistics.text_gain], {"text_runs": runs})
    yield statistic("facts", "", [len(inputs.facts)])
    yield statistic("tokens of each training", "", [steps * tokens])


def _options(setting: Setting, **update: Any) -> settings.CramlessText:
    return settings.CramlessText(
        corpus="generated",
        small=[1, 2, 16] if setting.toy else [12, 12, 768],
        precision="bf16" if setting.cuda else "float32",
        compile=setting.cuda,
        devices=1,
        replicates=1,
        **update,
    )


def _corpus(setting: Setting) -> dict[str, Any]:
    if setting.toy:
        sizes = {"people": 12, "values": 8, "documents": 150, "context": 16}
        return sizes | {"batch": 16, "candidates": 32, "device_batch": 16}
    sizes = {"people": 5000, "values": 500, "documents": 40_000, "context": 512}
    return sizes | {"batch": 64, "candidates": 128, "device_batch": 64}


def _devices(setting: Setting) -> list[str]:
    return ["0"] if setting.cuda else []


def _dtype(options: settings.CramlessText) -> torch.dtype:
    return torch.bfloat16 if options.precision == "bf16" else torch.float32
