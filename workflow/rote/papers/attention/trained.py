"""Attention weights learnt by gradient descent (our extension): does training align them with the
signal?

w_K and w_Q live on unit spheres. Three objectives: the theory's E, the measured E on fresh contexts
at every step, and the measured E on one context only. f is tanh.
"""

from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from rote import train
from rote.core.seeds import generator
from rote.models.products import bmm
from rote.papers.attention import settings
from rote.synth import tokens
from rote.theory import attention
from rote.theory.attention import fixed_point
from rote.theory.attention.memorization import Directions, signal

COLUMNS = ["objective", "gamma", "replicate", "step", "key", "query", "error", "ridge"]


def sweep(
    options: settings.Trained,
    seed: int,
    *,
    device: str = "cpu",
    checkpoints: Path | None = None,
    every: int = 500,
) -> pd.DataFrame:
    """Train heads on all three objectives: the table TrainedTable."""
    parts = [in_theory(options, seed)]
    for fresh in (True, False):
        file = (
            checkpoints
            and checkpoints / f"heads-{seed}-{'fresh' if fresh else 'same'}-{options.steps}.pt"
        )
        parts.append(on_contexts(options, seed, fresh, device, file, every))
    return pd.concat(parts, ignore_index=True)


def logged(steps: int) -> np.ndarray:
    """Steps at which a head is looked at: 0, then evenly on a log scale."""
    return np.unique(np.r_[0, np.geomspace(1, steps, 7).round().astype(int)])


def in_theory(options: settings.Trained, seed: int, rate: float = 0.5) -> pd.DataFrame:
    """Descent of the limiting E on the two spheres, from directions that see nothing of the signal
    but by chance.

    Only inner products matter, so three dimensions hold everything. h does not depend on the
    weights.
    """
    found, c = attention.moments("tanh"), options.p / options.tokens
    heads = fixed_point.head(c, found.a1, found.nu, 0.0)
    mu, rows = np.sqrt(options.mu2) * np.eye(3)[0], []
    for gamma in options.gammas:
        root = fixed_point.solve(np.array([gamma]), heads)
        base = float(attention.ridge_error(gamma, c, options.mu2))

        def error(w: np.ndarray, root=root, gamma=gamma) -> float:
            w = w / np.linalg.norm(w, axis=1, keepdims=True)
            slope = signal(root.h, root.dh, heads, Directions(mu, w[0], w[1]))[1]
            return -(gamma**2) * float(slope[0, 0])

        for replicate in range(options.replicates):
            w = np.eye(3)[1:].copy()  # w_K and w_Q are orthogonal to each other in high dimension
            w[:, 0] = generator(seed, "attention", "trained theory", str(gamma), replicate).normal(
                size=2
            ) / np.sqrt(options.p)
            for step in range(options.steps + 1):
                w /= np.linalg.norm(w, axis=1, keepdims=True)
                if step in logged(options.steps):
                    rows.append(
                        ("theory", gamma, replicate, step, w[0, 0], w[1, 0], error(w), base)
                    )
                slope = np.zeros_like(w)
                for at in np.ndindex(w.shape):
                    shift = np.zeros_like(w)
                    shift[at] = 1e-5
                    slope[at] = (error(w + shift) - error(w - shift)) / 2e-5
                w = w - rate * slope
    return pd.DataFrame(rows, columns=COLUMNS)


def on_contexts(
    options: settings.Trained,
    seed: int,
    fresh: bool,
    device: str,
    checkpoint: Path | None,
    every: int,
) -> pd.DataFrame:
    """Descent of the measured E, all γ × replicates as one stack: heads (models, 2, p).

    Heads trained on one context (`fresh` False) are looked at there ("same") and on others ("same,
    elsewhere").
    """
    units = [
        (gamma, replicate) for gamma in options.gammas for replicate in range(options.replicates)
    ]
    n, p, name = options.tokens, options.p, "fresh" if fresh else "same"
    gammas = torch.tensor([gamma for gamma, _ in units], dtype=torch.float64, device=device)
    mu = [np.sqrt(options.mu2)]

    def draw(
        what: str, count: int, step: int = 0
    ) -> tuple[Tensor, Tensor]:  # (models, count, p, n), (models, count, n)
        drawn = [
            tokens.draw(
                n,
                p,
                generator(
                    seed, "attention", f"trained {name} {what}", str(gamma), replicate, step, i
                ),
                mu=mu,
            )
            for gamma, replicate in units
            for i in range(count)
        ]
        X = torch.tensor(np.stack([context.X for context in drawn]), device=device)
        y = torch.tensor(np.stack([context.y for context in drawn]), device=device)
        return X.view(len(units), count, p, n), y.view(len(units), count, n)

    starts = [
        generator(seed, "attention", "heads", name, str(g), r).normal(size=(2, p)) / np.sqrt(p)
        for g, r in units
    ]
    steps = logged(options.steps)
    own = None if fresh else draw("own", 1)
    history = torch.zeros(len(units), len(steps), 2, p, dtype=torch.float64, device=device)

    def loss(parameters: dict[str, Tensor], step: int) -> Tensor:
        if step in steps:
            history[:, int(np.searchsorted(steps, step))] = parameters["w"].detach()
        X, y = draw("step", options.contexts, step) if fresh else own
        return errors(X, y, gammas, parameters["w"]).mean(1)

    trained = train.fit(
        {"w": torch.tensor(np.stack(starts), device=device)},
        loss,
        steps=options.steps,
        learning_rate=options.learning_rate,
        buffers={"history": history},
        checkpoint=checkpoint,
        checkpoint_steps=every,
        label=f"attention heads ({name} contexts): {len(units)} heads",
    )
    history[:, -1] = trained["w"]
    places = (
        {name: draw("held out", options.held_out)}
        if fresh
        else {"same": own, "same, elsewhere": draw("held out", options.held_out)}
    )
    rows = []
    for place, (X, y) in places.items():
        base = errors(X, y, gammas, None).mean(1).cpu().numpy()
        for number, step in enumerate(steps):
            w = history[:, number] / history[:, number].norm(dim=-1, keepdim=True)
            with torch.no_grad():
                found = errors(X, y, gammas, w).mean(1).cpu().numpy()
            cosines = w[:, :, 0].cpu().numpy()
            for at, (gamma, replicate) in enumerate(units):
                rows.append((place, gamma, replicate, step, *cosines[at], found[at], base[at]))
    return pd.DataFrame(rows, columns=COLUMNS).astype({"step": int})


def errors(X: Tensor, y: Tensor, gammas: Tensor, w: Tensor | None) -> Tensor:
    """E of every context, (models, contexts), differentiable in w (models, 2, p); without w of the
    raw tokens.
    """
    p, n = X.shape[-2:]
    A = X
    if w is not None:
        w = w / w.norm(dim=-1, keepdim=True)
        keys = torch.einsum("mkp,mcpn->mckn", w, X)
        t = (bmm(X.mT, X) + keys[..., 0, :, None] * keys[..., 1, None, :]) / p**0.5
        K = torch.tanh(t) * (1 - torch.eye(n, dtype=X.dtype, device=X.device)) / p**0.5
        A = bmm(X, K)
    gram = bmm(A.mT, A) / n + gammas[:, None, None, None] * torch.eye(
        n, dtype=X.dtype, device=X.device
    )
    solved = torch.cholesky_solve(y[..., None], torch.linalg.cholesky(gram))[..., 0]
    return gammas[:, None] ** 2 * (solved**2).sum(-1) / n
