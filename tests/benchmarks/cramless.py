"""Cramming: stacked decoders against a loop; our loop on GPT-NeoX against transformers' Trainer. See `longtail.py`."""

import tempfile

import numpy as np
import torch
from rote import train
from rote.data import torchvision
from rote.models import lm
from rote.papers.cramless import arms, experiment, settings
from rote.seeds import generator
from rote.synth import facts

REPLICATES = 24


def stacked_decoders():
    """24 decoders of width 24 on facts, batch 64, 100 steps: one stack / one network after another"""
    options = settings.Training(batch=64, steps=100)
    data = arms.Data("uniform 1200", 1200, 0.0, None)
    arm = arms.Arm("bench", data, "none", 24, 100)
    sets = [experiment.make(settings.Facts(), data, replicate, 1) for replicate in range(REPLICATES)]

    def run(some: list[facts.Facts]):
        return experiment.train_arm(arm, some, [made.counts for made in some], options, 1)[1]

    assert run(sets)["stored"].iloc[0] == _close(run(sets[:1])["stored"].iloc[0])
    part = REPLICATES // 4
    return lambda: run(sets), lambda: [run([made]) for made in sets[:part]], REPLICATES / part, 3


def _close(value: float):
    import pytest

    return pytest.approx(value, rel=1e-3)


def against_trainer():
    """GPT-NeoX of width 24 on facts, 8 networks, batch 32, 150 steps: one stack / transformers' Trainer, each alone"""
    torchvision()
    from transformers import AutoModelForCausalLM, GPTNeoXConfig, Trainer, TrainingArguments

    steps, batch, models, rate = 150, 32, 8, 3e-3
    made = facts.make(400, generator(1, "bench", "cramless"))
    table = torch.tensor(made.tokens)
    rows = [generator(1, "bench order", step).choice(400, batch, replace=False) for step in range(steps)]
    stack = lm.build(
        "gpt_neox", made.vocabulary, 4, 24, 1, 1, [generator(1, "bench weights", m) for m in range(models)]
    )
    config = GPTNeoXConfig(
        vocab_size=made.vocabulary, max_position_embeddings=4, hidden_size=24, num_hidden_layers=1,
        num_attention_heads=1, intermediate_size=96, bos_token_id=0, eos_token_id=0, tie_word_embeddings=False,
    )  # fmt: skip
    history: list[float] = []

    def ours() -> None:
        history.clear()

        def loss(parameters: lm.Parameters, step: int) -> torch.Tensor:
            tokens = table[rows[step]].expand(models, -1, -1)
            logits = stack.forward(parameters, tokens)[:, :, 1:3]
            losses = lm.value_losses(logits, tokens[:, :, 2:], 0).mean(1) / 2
            history.append(float(losses[0].detach()))
            return losses

        train.fit(stack.parameters, loss, steps=steps, learning_rate=rate, schedule=lambda step: 1.0)

    class Rows(torch.utils.data.Dataset):
        order = np.concatenate(rows)

        def __len__(self) -> int:
            return len(self.order)

        def __getitem__(self, at: int) -> dict[str, torch.Tensor]:
            tokens = table[self.order[at]]
            return {"input_ids": tokens, "labels": torch.cat([torch.full((2,), -100), tokens[2:]])}

    class InOrder(Trainer):
        def _get_train_sampler(self, *_):
            return torch.utils.data.SequentialSampler(self.train_dataset)

    def theirs() -> list[float]:
        model = AutoModelForCausalLM.from_config(config)
        one = {name.replace("embed_out", "lm_head"): value[0] for name, value in stack.parameters.items()}
        model.load_state_dict(one, strict=False)  # files call the head embed_out, the module lm_head
        arguments = TrainingArguments(
            output_dir=tempfile.mkdtemp(), per_device_train_batch_size=batch, max_steps=steps, learning_rate=rate,
            lr_scheduler_type="constant", weight_decay=0.0, max_grad_norm=0.0, logging_steps=1, save_strategy="no",
            report_to=[], use_cpu=True, disable_tqdm=True,
        )  # fmt: skip
        trainer = InOrder(model=model, args=arguments, train_dataset=Rows())
        trainer.train()
        return [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]

    ours()
    np.testing.assert_allclose(history[::10], theirs()[::10], atol=2e-3)
    return ours, theirs, float(models), 3


COMPARISONS = [stacked_decoders, against_trainer]
