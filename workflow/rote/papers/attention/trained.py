"""Attention weights learnt by gradient descent (our extension): do they align with the signal?

w_K and w_Q live on unit spheres. Three objectives: the theory's E, the measured E on fresh contexts
at every step, and the measured E on one context only. f is tanh.
"""

from collections.abc import Callable
from itertools import product
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import train
from rote.core import tables
from rote.core.seeds import generator
from rote.models.products import bmm
from rote.papers.attention import schema, settings
from rote.papers.attention.schema import Objective
from rote.synth import tokens
from rote.theory import attention
from rote.theory.attention import fixed_point
from rote.theory.attention.memorization import Directions, signal

RATE = 0.5  # of the descent of the theory's E


class HeadContexts(NamedTuple):
    """Contexts of every model."""

    X: Tensor  # (models, contexts, p, n)
    y: Tensor  # (models, contexts, n)


def sweep(
    options: settings.AttentionTrained,
    seed: int,
    *,
    device: str = "cpu",
    saving: train.Saving = train.Saving(),
) -> pd.DataFrame:
    """Train heads on all three objectives: the table TrainedTable.

    Args:
        options: sizes, ridges, steps.
        seed: of all streams.
        device: of the tensors.
        saving: where and how often the state of training is saved.
    """
    parts = [in_theory(options, seed)]
    for objective in (Objective.FRESH, Objective.SAME):
        parts.append(on_contexts(options, seed, objective, device=device, saving=saving))
    return pd.concat(parts, ignore_index=True)


def logged(steps: int) -> np.ndarray:
    """Steps at which a head is looked at: 0, then evenly on a log scale."""
    return np.unique(np.r_[0, np.geomspace(1, steps, 7).round().astype(int)])


def in_theory(options: settings.AttentionTrained, seed: int) -> pd.DataFrame:
    """Descent of the limiting E on the two spheres, from nearly orthogonal to the signal.

    Only inner products matter, so three dimensions hold everything. h does not depend on the
    weights.
    """
    moment = attention.moments("tanh")
    c = options.p / options.tokens
    heads = fixed_point.head(c, moment.a1, moment.noise, 0.0)
    mu = np.sqrt(options.mu2) * np.eye(3)[0]
    steps = logged(options.steps)
    rows = []
    for gamma in options.gammas:
        root = fixed_point.solve(np.array([gamma]), heads)
        ridge = float(attention.ridge_error(gamma, c, options.mu2))

        def error(w: np.ndarray, root=root, gamma=gamma) -> float:
            w = w / np.linalg.norm(w, axis=1, keepdims=True)
            slope = signal(root, heads, Directions(mu, w[0], w[1]))[1]
            return -(gamma**2) * float(slope[0, 0])

        for replicate in range(options.replicates):
            rng = generator(seed, "attention", "trained theory", str(gamma), replicate)
            w = np.eye(3)[1:].copy()  # w_K and w_Q are orthogonal to each other in high dimension
            w[:, 0] = rng.normal(size=2) / np.sqrt(options.p)
            for step in range(options.steps + 1):
                w /= np.linalg.norm(w, axis=1, keepdims=True)
                if step in steps:
                    rows.append(
                        {
                            "objective": Objective.THEORY.value,
                            "gamma": gamma,
                            "replicate": replicate,
                            "step": step,
                            "key": w[0, 0],
                            "query": w[1, 0],
                            "error": error(w),
                            "ridge": ridge,
                        }
                    )
                w = w - RATE * _gradient(error, w)
    return tables.frame(schema.TrainedTable, rows)


def _gradient(function: Callable[[np.ndarray], float], w: np.ndarray) -> np.ndarray:
    """By central differences, of the shape of w."""
    slope = np.zeros_like(w)
    for index in np.ndindex(w.shape):
        shift = np.zeros_like(w)
        shift[index] = 1e-5
        slope[index] = (function(w + shift) - function(w - shift)) / 2e-5
    return slope


class _Stack(NamedTuple):
    """Heads that are trained together, one for every γ and replicate."""

    options: settings.AttentionTrained
    seed: int
    objective: Objective  # names their random streams
    device: str

    @property
    def models(self) -> list[tuple[float, int]]:
        """γ and replicate of every head."""
        return list(product(self.options.gammas, range(self.options.replicates)))

    def starts(self) -> Tensor:
        """Initial weights, (models, 2, p)."""
        weights = []
        for gamma, replicate in self.models:
            stream = ("attention", "heads", self.objective.value, str(gamma), replicate)
            rng = generator(self.seed, *stream)
            weights.append(rng.normal(size=(2, self.options.p)) / np.sqrt(self.options.p))
        return torch.tensor(np.stack(weights), device=self.device)

    def contexts(self, purpose: str, count: int, step: int = 0) -> HeadContexts:
        """`count` contexts for every head."""
        name = f"trained {self.objective.value} {purpose}"
        mu = [np.sqrt(self.options.mu2)]
        drawn = []
        for (gamma, replicate), number in product(self.models, range(count)):
            rng = generator(self.seed, "attention", name, str(gamma), replicate, step, number)
            drawn.append(tokens.draw(self.options.tokens, self.options.p, rng, mu=mu))
        X = torch.tensor(np.stack([context.X for context in drawn]), device=self.device)
        y = torch.tensor(np.stack([context.y for context in drawn]), device=self.device)
        shape = (len(self.models), count)
        return HeadContexts(X.view(*shape, *X.shape[1:]), y.view(*shape, -1))


def on_contexts(
    options: settings.AttentionTrained,
    seed: int,
    objective: Objective,
    *,
    device: str = "cpu",
    saving: train.Saving = train.Saving(),
) -> pd.DataFrame:
    """Descent of the measured E, all γ × replicates as one stack: heads (models, 2, p).

    Args:
        options: sizes, ridges, steps.
        seed: of all streams.
        objective: `FRESH` trains on new contexts at every step and evaluates on others; `SAME`
            trains on one context, and evaluates there and on others.
        device: of the tensors.
        saving: where and how often the state of training is saved.

    Returns:
        Rows of the table TrainedTable.
    """
    stack = _Stack(options, seed, objective, device)
    count, name = len(stack.models), stack.objective.value
    gammas = torch.tensor([gamma for gamma, _ in stack.models], dtype=torch.float64, device=device)
    steps = logged(options.steps)
    shape = (count, len(steps), 2, options.p)
    history = torch.zeros(shape, dtype=torch.float64, device=device)
    fixed = None if objective is Objective.FRESH else stack.contexts("own", 1)

    def loss(parameters: dict[str, Tensor], step: int) -> Tensor:
        if step in steps:
            history[:, int(np.searchsorted(steps, step))] = parameters["w"].detach()
        X, y = stack.contexts("step", options.contexts, step) if fixed is None else fixed
        return errors(X, y, gammas, parameters["w"]).mean(1)

    trained = train.fit(
        {"w": stack.starts()},
        loss,
        train.AdamW(steps=options.steps, learning_rate=options.learning_rate),
        buffers={"history": history},
        checkpoint=saving.file(f"heads-{seed}-{name}-{options.steps}.pt"),
        label=f"attention heads ({name} contexts): {count} heads",
    )
    history[:, -1] = trained["w"]
    others = stack.contexts("held out", options.held_out)
    if fixed is None:
        return _evaluate(stack, history, {Objective.FRESH: others})
    return _evaluate(stack, history, {Objective.SAME: fixed, Objective.ELSEWHERE: others})


def _evaluate(
    stack: _Stack, history: Tensor, evaluations: dict[Objective, HeadContexts]
) -> pd.DataFrame:
    """The table's rows for weights over training, (models, logged steps, 2, p)."""
    gamma, replicate = np.transpose(stack.models)
    gammas = torch.tensor(gamma, device=history.device)
    parts = []
    for objective, contexts in evaluations.items():
        ridge = errors(*contexts, gammas, None).mean(1).cpu().numpy()
        for number, step in enumerate(logged(stack.options.steps)):
            w = history[:, number] / history[:, number].norm(dim=-1, keepdim=True)
            with torch.no_grad():
                error = errors(*contexts, gammas, w).mean(1).cpu().numpy()
            cosines = w[:, :, 0].cpu().numpy()
            columns = {
                "objective": objective.value,
                "gamma": gamma,
                "replicate": replicate.astype(int),
                "step": step,
                "key": cosines[:, 0],
                "query": cosines[:, 1],
                "error": error,
                "ridge": ridge,
            }
            parts.append(tables.frame(schema.TrainedTable, columns))
    return pd.concat(parts, ignore_index=True)


def errors(X: Tensor, y: Tensor, gammas: Tensor, w: Tensor | None) -> Tensor:
    """E of every context, (models, contexts), differentiable in w.

    Args:
        X: tokens, (models, contexts, p, n).
        y: labels, (models, contexts, n).
        gammas: ridge of every model, (models,).
        w: w_K and w_Q of every model, (models, 2, p); None is ridge regression on the raw tokens.
    """
    n = X.shape[-1]
    identity = torch.eye(n, dtype=X.dtype, device=X.device)
    A = X if w is None else _features(X, w)
    gram = bmm(A.mT, A) / n + gammas[:, None, None, None] * identity
    solved = torch.cholesky_solve(y[..., None], torch.linalg.cholesky(gram))[..., 0]
    return gammas[:, None] ** 2 * (solved**2).sum(-1) / n


def _features(X: Tensor, w: Tensor) -> Tensor:
    """Attention outputs of tokens X, (models, contexts, p, n)."""
    p, n = X.shape[-2:]
    w = w / w.norm(dim=-1, keepdim=True)
    keys = torch.einsum("mkp,mcpn->mckn", w, X)
    t = (bmm(X.mT, X) + keys[..., 0, :, None] * keys[..., 1, None, :]) / p**0.5
    K = torch.tanh(t) * (1 - torch.eye(n, dtype=X.dtype, device=X.device)) / p**0.5
    return bmm(X, K)
