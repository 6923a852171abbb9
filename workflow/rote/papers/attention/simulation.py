"""One context at finite size: attention features, and the error of the best ridge probe over γ.

Nothing is inverted per γ. The smaller Gram matrix is brought to tridiagonal form once, and every γ
is then a tridiagonal solve: a third of the work of an eigendecomposition, with the same answers.
Tokens of more dimensions than there are tokens enter through XᵀX alone.
"""

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import linalg
from scipy.linalg import blas, lapack

from rote.core.errors import InputError
from rote.papers.attention.heads import Spike
from rote.synth import tokens
from rote.theory import attention
from rote.theory.attention.arguments import both_or_none, positive

ROUNDING = 1e-6  # of a Gram matrix relative to γ, above which the features are factored; of errors
BLOCK = 512  # columns of the kernel that exist at one time
Diagonal = tuple[np.ndarray, np.ndarray]  # rows and columns of its entries in a block
Kernel = Callable[[np.ndarray, Diagonal], np.ndarray]  # XᵀWX/√p, by blocks (n, b) -> K


class ContextErrors(NamedTuple):
    """Training errors of one context, (γ,) each."""

    attention: np.ndarray
    ridge: np.ndarray  # on the raw tokens, same context


class AttentionHead(NamedTuple):
    """A head of the paper: an entrywise nonlinearity and fixed weights I + w_K w_Qᵀ."""

    f: attention.activation.Nonlinearity
    spike: Spike = Spike()
    diag: str = "zero"  # or "keep": the diagonal of the kernel
    centered: bool = True  # subtract E f; with balanced labels it makes no difference


def simulate(
    gamma: ArrayLike,
    n: int,
    p: int,
    head: AttentionHead,
    rng: np.random.Generator,
    *,
    trace: bool = False,
    **drawing,
) -> ContextErrors:
    """Draw one context and measure both training errors at every γ.

    Args:
        gamma: ridge γ > 0, (γ,).
        n, p: tokens in the context and their dimension.
        head: its nonlinearity, as in `rote.theory.attention`, and its weights.
        rng: draws the context.
        trace: average over random labels instead of using the drawn ones (only without signal):
            much less noise.
        drawing: signal `mu`, `balance` and `noise` of `rote.synth.tokens.draw`.

    Raises:
        InputError: naming the argument. Settings outside the theory's range are warned of.
    """
    gamma = np.atleast_1d(positive("gamma", gamma))
    mu = drawing.get("mu")
    if trace and mu is not None and np.any(mu):
        raise InputError("trace averages over labels, so it needs mu = 0")
    f = attention.named(head.f)
    attention.diagonal(f, head.diag)
    spike = padded_spike(head.spike, p)
    _caution(gamma, n, p, mu, spike)
    context = tokens.draw(n, p, rng, **drawing)
    kernel = entrywise(f, p, diag=head.diag, centered=head.centered)
    errors, largest = training_errors(context, kernel, gamma, spike, trace=trace)
    if largest > 8:
        warnings.warn(
            f"a kernel entry is {largest:.1f}: (nearly) parallel tokens; "
            "an unbounded f explodes there",
            stacklevel=2,
        )
    return errors


def training_errors(
    context: tokens.Context,
    kernel: Kernel,
    gamma: np.ndarray,
    spike: Spike = Spike(),
    *,
    trace: bool = False,
) -> tuple[ContextErrors, float]:
    """Errors of ridge regression on the attention features of a context and on its raw tokens.

    For p > n the Gram matrix of the features A = XK comes from that of the tokens, AᵀA = Kᵀ(XᵀX)K:
    at p = 4n both take a third of the arithmetic.

    Args:
        context: tokens (p, n) and labels (n,).
        kernel: of the head, over blocks of columns.
        gamma: (γ,).
        spike: of the head, (p,) each.
        trace: average over random labels.

    Returns:
        Both errors at every γ, and the largest off-diagonal |XᵀWX|/√p.
    """
    X, y = context
    p, n = X.shape
    if p <= n:
        A, largest = features(X, kernel, spike)
        on_features, on_tokens = (probe_errors(M, y, gamma, trace) for M in (A, X))
        return ContextErrors(on_features, on_tokens), largest
    gram = _gram(X)
    full = gram + np.tril(gram, -1).T
    K = full.copy()
    if spike.key is not None and spike.query is not None:
        K += np.outer(spike.key @ X, spike.query @ X)  # rows are keys, columns queries
    K /= np.sqrt(p)
    diagonal = np.diag_indices(n)
    largest = _largest(K, diagonal)
    K = kernel(K, diagonal)
    # symmetric but for rounding: transposed, its columns are contiguous
    features_gram = (K.T @ (full @ K)).T
    errors = [
        _errors_of_gram(G / n, y, gamma, trace, form)
        for G, form in ((features_gram, lambda: X @ K), (gram, lambda: X))
    ]
    return ContextErrors(*errors), largest


def padded_spike(spike: Spike, p: int) -> Spike:
    """The same weights as (p,) each. Raises InputError naming a weight that is no such vector."""
    names = ("w_key", "w_query")
    weights = zip(names, spike, strict=True)
    full = Spike(*(None if w is None else padded(name, w, p) for name, w in weights))
    both_or_none(*names, *full)
    return full


def padded(name: str, vector: ArrayLike, p: int) -> np.ndarray:
    """A vector of the first directions as (p,), zeros in the others.

    Args:
        name: of the vector, for the error.
        vector: of length ≤ p.
        p: dimension of a token.

    Raises:
        InputError: naming a vector that is longer, has other axes or is not finite.
    """
    vector = np.atleast_1d(np.asarray(vector, float))
    if vector.ndim != 1 or len(vector) > p or not np.isfinite(vector).all():
        raise InputError(
            f"{name} must be a vector of at most p = {p} finite numbers, given shape {vector.shape}"
        )
    return np.concatenate([vector, np.zeros(p - len(vector))])


def _caution(gamma: np.ndarray, n: int, p: int, mu: ArrayLike | None, spike: Spike) -> None:
    """Warn where the proportional limit is a poor guide."""
    notes = []
    if gamma.min() < 1e-8:
        notes.append(f"gamma = {gamma.min():.1e} is below 1e-8, where rounding decides")
    if min(n, p) < 50 or not 0.02 <= p / n <= 50:
        notes.append(f"n = {n}, p = {p}: the theory wants both ≥ 50 and p/n in [0.02, 50]")
    signal = np.zeros(p) if mu is None else padded("mu", mu, p)
    key, query = (np.zeros(p) if w is None else w for w in spike)
    s = (signal @ signal + (signal @ key) * (query @ signal)) / np.sqrt(p)
    if abs(s) > 0.12:
        notes.append(
            f"μᵀWμ/√p = {s:.2f} is above 0.12: "
            "the signal reaches the nonlinearity (strong_signal_error)"
        )
    if np.linalg.norm(key) * np.linalg.norm(query) > np.sqrt(p) / 10:
        notes.append(f"||w_K|| ||w_Q|| is above √p/10 = {np.sqrt(p) / 10:.1f}")
    for note in notes:
        warnings.warn(f"{note}; do not expect the theory's value", stacklevel=3)


def features(
    X: np.ndarray,
    kernel: Kernel,
    spike: Spike = Spike(),
    W: np.ndarray | None = None,
) -> tuple[np.ndarray, float]:
    """A = X K, K = kernel(XᵀWX/√p) with W = I (or `W`) plus the spike, block by block.

    K never exists as a whole: next to X and A, (p, n) both, only `BLOCK` of its columns.

    Args:
        X: tokens, (p, n).
        kernel: of blocks of columns; may work in place.
        spike: (p,) each.
        W: dense weights, (p, p).

    Returns:
        A, and the largest off-diagonal |XᵀWX|/√p.
    """
    p, n = X.shape
    queries = X if W is None else W @ X
    A = np.empty((p, n), order="F")
    largest = 0.0
    spiked = spike.key is not None and spike.query is not None
    projected = (spike.key @ X, spike.query @ X) if spiked else None
    for begin in range(0, n, BLOCK):
        columns = slice(begin, min(begin + BLOCK, n))
        block = X.T @ queries[:, columns]  # rows are keys, columns queries
        if projected is not None:
            block += np.outer(projected[0], projected[1][columns])
        block /= np.sqrt(p)
        diagonal = (np.arange(begin, columns.stop), np.arange(columns.stop - begin))
        largest = max(largest, _largest(block, diagonal))
        A[:, columns] = X @ kernel(block, diagonal)
    return A, largest


def _largest(block: np.ndarray, diagonal: Diagonal) -> float:
    """Largest magnitude off the diagonal."""
    entries = block[diagonal].copy()
    block[diagonal] = 0
    largest = max(float(block.max()), -float(block.min()))
    block[diagonal] = entries
    return largest


def entrywise(
    f: attention.activation.Nonlinearity, p: int, *, diag: str = "zero", centered: bool = True
) -> Kernel:
    """The paper's kernel, (f(t) − E f)/√p.

    Args:
        f: nonlinearity, as in `rote.theory.attention`.
        p: dimension of a token.
        diag: of `attention.DIAGONALS`: "zero" or "keep" the diagonal.
        centered: subtract E f.

    Raises:
        InputError: for an unknown f or diagonal.
    """
    if diag not in attention.DIAGONALS:
        raise InputError(f"diag must be {' or '.join(attention.DIAGONALS)}, given {diag!r}")
    zeroed = attention.DIAGONALS[diag].zeroed
    f = attention.named(f)
    center = attention.moments(f).a0 if centered else 0.0

    def kernel(block: np.ndarray, diagonal: Diagonal) -> np.ndarray:
        if zeroed:
            block[diagonal] = 0  # before f, which may overflow there
        block = f(block)
        block -= center
        if zeroed:
            block[diagonal] = 0
        block /= np.sqrt(p)
        return block

    return kernel


def softmax(beta: float, masked: bool = True) -> Kernel:
    """Column softmax of βt over the keys.

    Args:
        beta: inverse temperature.
        masked: leave out the query's own token.
    """

    def kernel(block: np.ndarray, diagonal: Diagonal) -> np.ndarray:
        block *= beta
        if masked:
            block[diagonal] = -np.inf
        block -= block.max(axis=0)
        np.exp(block, out=block)
        block /= block.sum(axis=0)
        return block

    return kernel


def probe_errors(
    A: np.ndarray, y: np.ndarray, gamma: np.ndarray, trace: bool = False
) -> np.ndarray:
    """Training error of ridge regression of y (n,) on the columns of A (p, n), for every γ: (γ,).

    E = ||y − Aᵀw||²/n with w = (A Aᵀ + nγ)⁻¹ A y.

    Args:
        A: features, (p, n), one column per token.
        y: labels, (n,).
        gamma: ridges > 0, (γ,).
        trace: average over random labels; y then gives only their number.
    """
    p, n = A.shape
    if p > n:
        return _errors_of_gram(_gram(A) / n, y, gamma, trace, lambda: A)
    gram = _gram(A.T)
    gram /= n
    if _rounded_away(gram, gamma):
        return _errors_of_features(A, y, gamma, trace)
    if trace:
        return _averaged(gram, n, gamma)
    weights = shifted_solves(gram, A @ y / n, gamma)
    return ((y[:, None] - A.T @ weights) ** 2).sum(axis=0) / n


def _rounded_away(gram: np.ndarray, gamma: np.ndarray) -> bool:
    """Whether rounding of a Gram matrix (lower triangle) is felt beside the smallest ridge."""
    allowed = ROUNDING * gamma.min() / np.finfo(float).eps
    if np.diagonal(gram).sum() <= allowed:  # at least as large as the norm
        return False
    lower = np.tril(gram)
    size = np.sqrt(2 * (lower**2).sum() - (np.diagonal(gram) ** 2).sum())  # Frobenius
    return not size <= allowed


def _errors_of_features(A: np.ndarray, y: np.ndarray, gamma: np.ndarray, trace: bool) -> np.ndarray:
    """`probe_errors` by the singular values of A/√n, whose squares may differ by 1e30."""
    if not np.isfinite(A).all():
        raise InputError("attention features overflow: f explodes on (nearly) parallel tokens")
    n = len(y)
    _, values, vectors = linalg.svd(A / np.sqrt(n), full_matrices=False, check_finite=False)
    along = vectors @ y
    outside = y - vectors.T @ along
    spans = float(n - len(values)) if trace else float(outside @ outside)
    weights = np.ones(len(values)) if trace else along**2

    def errors(roots: np.ndarray) -> np.ndarray:
        shares = gamma[:, None] / (gamma[:, None] + roots**2)
        return (shares**2 @ weights + spans) / n

    rounding = 4 * np.finfo(float).eps * values[0]
    spread = errors(np.maximum(values - rounding, 0)) - errors(values + rounding)
    if not (spread <= ROUNDING * errors(values)).all():
        raise InputError(
            f"gamma = {gamma.min():.1e} is below the rounding of attention features of size "
            f"{values[0]:.1e}: f explodes on (nearly) parallel tokens; use a larger gamma"
        )
    return errors(values)


def _errors_of_gram(
    gram: np.ndarray,
    y: np.ndarray,
    gamma: np.ndarray,
    trace: bool,
    form: Callable[[], np.ndarray],
) -> np.ndarray:
    """`probe_errors` from AᵀA/n, (n, n), as a lower triangle; it is overwritten.

    `form` gives A, (p, n), where its Gram matrix does not do.
    """
    if _rounded_away(gram, gamma):
        return _errors_of_features(form(), y, gamma, trace)
    if trace:
        return _averaged(gram, len(y), gamma)
    solved = shifted_solves(gram, y, gamma, rotate_back=False)  # norms do not need the basis
    return gamma**2 * (solved**2).sum(axis=0) / len(y)


def _averaged(gram: np.ndarray, n: int, gamma: np.ndarray) -> np.ndarray:
    """Errors averaged over random labels, from either Gram matrix over n, (m, m) with m ≤ n.

    The matrix is overwritten.
    """
    values = np.maximum(linalg.eigvalsh(gram, overwrite_a=True, check_finite=False), 0)
    shares = gamma[:, None] / (gamma[:, None] + values)
    return ((shares**2).sum(axis=1) + n - len(gram)) / n


def _gram(A: np.ndarray) -> np.ndarray:
    """Aᵀ A, lower triangle, by one symmetric rank-k product."""
    if A.flags.f_contiguous:
        return blas.dsyrk(1.0, A, trans=1, lower=1)
    return blas.dsyrk(1.0, A.T, trans=0, lower=1)


def shifted_solves(
    S: np.ndarray, b: np.ndarray, shifts: np.ndarray, rotate_back: bool = True
) -> np.ndarray:
    """(S + shift)⁻¹ b for every shift > 0, (m, shifts), from one tridiagonal reduction S = Q T Qᵀ.

    Args:
        S: (m, m) positive semidefinite, lower triangle; overwritten.
        b: (m,).
        shifts: (shifts,), > 0.
        rotate_back: False leaves out Q, which changes no norm.

    Raises:
        ArithmeticError: where LAPACK reports a failure; S then has eigenvalues below −shift.
    """
    m = len(b)
    if m == 1:
        return (b[0] / (S[0, 0] + shifts))[None]
    work, info = lapack.dsytrd_lwork(m, lower=1)
    _succeeded("dsytrd_lwork", info)
    reduced, diagonal, below, tau, info = lapack.dsytrd(S, lower=1, lwork=int(work), overwrite_a=1)
    _succeeded("dsytrd", info)
    reflectors = np.asfortranarray(reduced[1:, :-1])

    def rotate(x: np.ndarray, transposition: str) -> np.ndarray:
        x = np.asfortranarray(x)
        lwork = 64 * x.shape[1]
        x[1:], _, info = lapack.dormqr("L", transposition, reflectors, tau, x[1:], lwork=lwork)
        _succeeded("dormqr", info)
        return x

    right = rotate(b[:, None].copy(), "T")[:, 0]
    diagonal = np.maximum(diagonal, 0)
    solved = np.empty((m, len(shifts)), order="F")
    for i, shift in enumerate(shifts):
        _, _, x, info = lapack.dptsv(diagonal + shift, below, right)
        _succeeded("dptsv", info)
        solved[:, i] = x.ravel()
    return rotate(solved, "N") if rotate_back else solved


def _succeeded(routine: str, info: int) -> None:
    if info:
        raise ArithmeticError(
            f"{routine} failed (LAPACK info {info}): the matrix is not positive definite beside "
            "rounding; use a larger gamma"
        )
