"""Cramming: stacked decoders and GPT-NeoX against loops, transformers' Trainer and lightning."""

import logging
import tempfile
import warnings
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from rote import train
from rote.core.seeds import generator
from rote.data.images import torchvision
from rote.models import lm
from rote.papers.cramless import arms, data, settings, training
from rote.synth import facts

from tests.benchmarks.case import Case, Growth, Work, matrix_flops

REPLICATES = 24
NARROW = (
    "width 24: softmax over the vocabulary and Adam weigh as much as the products, "
    "and a call lasts microseconds"
)


def _runner(replicates: int, batch: int = 64, steps: int = 100) -> Callable[[list[int]], object]:
    """A function that trains chosen replicates in one stack and returns what they have stored."""
    options = settings.CramlessTraining(batch=batch, steps=steps)
    data_set = arms.FactDataSet("uniform 1200", 1200, 0.0, None)
    arm = arms.FactArm("bench", data_set, arms.STANDARD, 24, steps)
    fact_options = settings.CramlessFacts()
    sets = [data.make(fact_options, data_set, replicate, 1) for replicate in range(replicates)]

    def run(numbers: list[int]):
        chosen = [sets[number] for number in numbers]
        return training.train_arm(arm, chosen, None, options, training.CramlessJob(1)).runs

    return run


def stacked_decoders():
    """24 decoders of width 24 on facts, batch 64, 100 steps: one stack / one network at a time"""
    run = _runner(REPLICATES)
    part = REPLICATES // 4
    numbers = list(range(REPLICATES))
    stored = run(numbers)["stored"].iloc[0]
    np.testing.assert_allclose(stored, run([0])["stored"].iloc[0], rtol=1e-3)
    return Case(
        lambda: run(numbers),
        lambda: [run([number]) for number in numbers[:part]],
        scale=REPLICATES / part,
        repeats=5,
        bar=3.0,
        flops=REPLICATES * matrix_flops(lambda: run([0])),
        note=NARROW,
    )


class _Task(NamedTuple):
    """GPT-NeoX on facts: the same first weights and the same batches for every way of training."""

    steps: int
    batch: int
    rate: float
    table: torch.Tensor  # (facts, 4) tokens: key, value
    rows: list[np.ndarray]  # of each step
    stack: Any  # of rote.models.lm
    ours: Work
    history: list[float]  # losses of the first network in our last run


def _neox(models: int, steps: int = 150, batch: int = 32, rate: float = 3e-3) -> _Task:
    made = facts.make(400, generator(1, "bench", "cramless"))
    table = torch.tensor(made.tokens)
    rows = [
        generator(1, "bench order", step).choice(400, batch, replace=False) for step in range(steps)
    ]
    weights = [generator(1, "bench weights", model) for model in range(models)]
    stack = lm.build(lm.Transformer("gpt_neox", made.vocabulary, 4, 24, 1, 1), weights)
    history: list[float] = []

    def ours() -> None:
        history.clear()

        def loss(parameters: lm.Parameters, step: int) -> torch.Tensor:
            tokens = table[rows[step]].expand(models, -1, -1)
            logits = stack.forward(parameters, tokens)[:, :, 1:3]
            losses = lm.value_losses(logits, tokens[:, :, 2:], 0).mean(1) / 2
            history.append(float(losses[0].detach()))
            return losses

        train.fit(
            stack.parameters,
            loss,
            train.AdamW(steps=steps, learning_rate=rate, schedule=lambda step: 1.0),
        )

    return _Task(steps, batch, rate, table, rows, stack, ours, history)


def _module(task: _Task) -> torch.nn.Module:
    """transformers' GPT-NeoX with the first network's weights."""
    from transformers import AutoModelForCausalLM, GPTNeoXConfig

    first = {
        name.replace("embed_out", "lm_head"): value[0]
        for name, value in task.stack.parameters.items()
    }
    config = GPTNeoXConfig(
        vocab_size=first["lm_head.weight"].shape[0],
        max_position_embeddings=4,
        hidden_size=24,
        num_hidden_layers=1,
        num_attention_heads=1,
        intermediate_size=96,
        bos_token_id=0,
        eos_token_id=0,
        tie_word_embeddings=False,
    )
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(first, strict=False)  # files call the head embed_out, the module lm_head
    return model


class _Rows(torch.utils.data.Dataset):
    """The batches' examples in their order."""

    def __init__(self, task: _Task):
        self.table = task.table
        self.order = np.concatenate(task.rows)

    def __len__(self) -> int:
        return len(self.order)

    def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
        tokens = self.table[self.order[at]]
        return {"input_ids": tokens, "labels": torch.cat([torch.full((2,), -100), tokens[2:]])}


def against_trainer():
    """GPT-NeoX of width 24 on facts, 8 networks, batch 32, 150 steps:
    one stack / transformers' Trainer, each alone
    """
    torchvision()
    from transformers import PrinterCallback, Trainer, TrainingArguments

    models = 8
    task = _neox(models)

    class InOrder(Trainer):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    def peer() -> list[float]:
        arguments = TrainingArguments(
            output_dir=tempfile.mkdtemp(),
            per_device_train_batch_size=task.batch,
            max_steps=task.steps,
            learning_rate=task.rate,
            lr_scheduler_type="constant",
            weight_decay=0.0,
            max_grad_norm=0.0,
            logging_steps=1,
            save_strategy="no",
            report_to=[],
            use_cpu=True,
            disable_tqdm=True,
        )
        trainer = InOrder(model=_module(task), args=arguments, train_dataset=_Rows(task))
        trainer.remove_callback(PrinterCallback)
        trainer.train()
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    task.ours()
    np.testing.assert_allclose(task.history[::10], peer()[::10], atol=2e-3)
    return Case(
        task.ours,
        peer,
        scale=float(models),
        repeats=5,
        bar=2.0,
        flops=matrix_flops(task.ours),
        note=NARROW,
    )


def against_lightning():
    """The same: one stack / lightning's Trainer, each alone"""
    torchvision()
    import pytorch_lightning as lightning

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    models = 8
    task = _neox(models)

    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.model = _module(task)
            self.losses = []

        def training_step(self, batch, _):
            loss = self.model(**batch).loss
            self.losses.append(float(loss.detach()))
            return loss

        def configure_optimizers(self):
            return torch.optim.AdamW(self.parameters(), lr=task.rate, weight_decay=0.0)

    def peer() -> list[float]:
        quiet = {"logger": False, "enable_checkpointing": False, "enable_progress_bar": False}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few workers, few log lines: as it is meant here
            trainer = lightning.Trainer(
                max_steps=task.steps,
                accelerator="cpu",
                devices=1,
                enable_model_summary=False,
                **quiet,
            )
            module = Module()
            loader = torch.utils.data.DataLoader(_Rows(task), batch_size=task.batch, shuffle=False)
            trainer.fit(module, loader)
        return module.losses

    task.ours()
    np.testing.assert_allclose(task.history[::10], peer()[::10], atol=2e-3)
    return Case(
        task.ours,
        peer,
        scale=float(models),
        repeats=5,
        bar=2.0,
        flops=matrix_flops(task.ours),
        note=NARROW,
    )


def _stack(replicates: int) -> Work:
    run = _runner(replicates, steps=40)
    return lambda: run(list(range(replicates)))


COMPARISONS = [stacked_decoders, against_trainer, against_lightning]
GROWTH = [Growth("stacked decoders, 40 steps", "networks", (4, 8, 16, 32, 64), _stack)]
