"""Products and attention of stacks against torch's own, for any shapes and memory layouts."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from rote.models import attention
from rote.models.norms import layer_norm
from rote.models.products import bmm

SIZE = st.integers(1, 7)
LAYOUTS = [
    lambda x: x,
    lambda x: x.mT.contiguous().mT,
    lambda x: torch.cat([x, x], -1)[..., : x.shape[-1]],
]


def normal(rng, *shape, dtype=torch.float64):
    return torch.tensor(rng.normal(size=shape), dtype=dtype)


@given(
    SIZE,
    SIZE,
    SIZE,
    SIZE,
    st.booleans(),
    st.sampled_from(LAYOUTS),
    st.sampled_from(LAYOUTS),
    st.integers(0, 99),
)
def test_bmm_and_its_gradients_are_those_of_torch(
    models, rows, k, columns, biased, first, second, seed
):
    rng = np.random.default_rng(seed)
    leaves = [normal(rng, models, rows, k), normal(rng, models, k, columns)]
    leaves += [normal(rng, models, 1, columns)] if biased else []
    leaves = [leaf.requires_grad_() for leaf in leaves]
    a, b = first(leaves[0]), second(leaves[1])
    bias = leaves[2:]
    output = bmm(a, b, *bias)
    expected = a @ b + (bias[0] if biased else 0)
    torch.testing.assert_close(output, expected)
    for weights in (
        normal(rng, models, rows, columns),
        torch.ones(()).double().expand(models, rows, columns),
    ):
        for gradient, expected_gradient in zip(
            torch.autograd.grad(output, leaves, weights, retain_graph=True),
            torch.autograd.grad(expected, leaves, weights, retain_graph=True),
            strict=True,
        ):
            torch.testing.assert_close(gradient, expected_gradient)


def test_bmm_can_be_differentiated_twice_and_mapped():
    rng = np.random.default_rng(0)
    a, b = normal(rng, 2, 3, 4), normal(rng, 2, 4, 5)
    bias = normal(rng, 2, 1, 5)
    assert torch.autograd.gradgradcheck(bmm, [x.requires_grad_() for x in (a, b, bias)])
    many = normal(rng, 6, 2, 3, 4)
    mapped = torch.func.vmap(lambda x: bmm(x, b.detach(), bias.detach()))(many)
    torch.testing.assert_close(mapped, many @ b.detach() + bias.detach())
    jacobian = torch.func.vmap(torch.func.jacrev(lambda x: bmm(x, b.detach())[0, 0]))(many)
    torch.testing.assert_close(jacobian[:, :, 0, 0], b.detach()[0].T.expand(6, 5, 4))


def test_bmm_obeys_autocast():
    a, b = torch.ones(1, 2, 3), torch.ones(1, 3, 4)
    with torch.autocast("cpu", torch.bfloat16):
        assert bmm(a, b).dtype == torch.bfloat16
    assert bmm(a, b).dtype == torch.float32


def plain(q, k, v, rotation):
    """Scores, mask, softmax and sum, one after another, in the precision of the inputs."""
    length, rows = k.shape[1], q.shape[1]
    if rotation is not None:
        positions = torch.arange(length)
        q, k = turned(q, positions[length - rows :], rotation), turned(k, positions, rotation)
    scores = torch.einsum("bihd,bjhd->bhij", q, k) / q.shape[-1] ** 0.5
    unseen = torch.arange(length)[None] > torch.arange(length - rows, length)[:, None]
    return torch.einsum("bhij,bjhd->bihd", scores.masked_fill(unseen, -torch.inf).softmax(-1), v)


def turned(x, positions, rotation):
    """Pairs of numbers as complex ones, each times e^(i angle)."""
    cos, sin = (table[positions] for table in rotation)
    half = cos.shape[-1] // 2
    if half == 0:
        return x
    pairs = torch.complex(x[..., :half].contiguous(), x[..., half : 2 * half].contiguous())
    pairs = pairs * torch.complex(cos[:, :half], sin[:, :half])[:, None]
    return torch.cat([pairs.real, pairs.imag, x[..., 2 * half :]], -1)


@pytest.mark.parametrize("longest", [attention.SHORT, 0], ids=["lanes", "torch"])
@given(
    sequences=st.integers(1, 70),
    length=st.integers(1, 9),
    cut=st.integers(0, 8),
    heads=st.integers(1, 3),
    d=st.sampled_from([4, 8, 12]),
    rotated=st.sampled_from([None, 2, 4]),
    seed=st.integers(0, 99),
)
def test_attention_and_its_gradients_are_those_of_the_formula(
    longest, sequences, length, cut, heads, d, rotated, seed
):
    rng = np.random.default_rng(seed)
    rows = max(1, length - cut)
    whole = normal(rng, sequences, length, heads, 3, d, dtype=torch.float32).requires_grad_()
    weights = normal(rng, sequences, rows, heads, d, dtype=torch.float32)
    angles = normal(rng, length, (rotated or 0) // 2, dtype=torch.float32).repeat(1, 2)
    rotation = None if rotated is None else (angles.cos(), angles.sin())
    results = []
    for attend, dtype in ((attention.causal, torch.float32), (plain, torch.float64)):
        q, k, v = whole.to(dtype).unbind(3)
        turns = rotation and tuple(x.to(dtype) for x in rotation)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(attention, "SHORT", longest)
            output = attend(q[:, length - rows :], k, v, turns)
        results.append((output, *torch.autograd.grad(output, whole, weights.to(dtype))))
    for result, expected in zip(*results, strict=True):
        torch.testing.assert_close(result.double(), expected.double(), atol=2e-5, rtol=2e-5)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 30.0, 1e4])
def test_attention_weighs_as_softmax_does_however_far_scores_lie_apart(scale):
    rng = np.random.default_rng(0)
    q, k, v = (normal(rng, 20, 8, 2, 8, dtype=torch.float32) for _ in range(3))
    output = attention.causal(q * scale, k, v)
    expected = plain((q * scale).double(), k.double(), v.double(), None)
    # scores of 1e5 are known to 1e-2 in single precision
    torch.testing.assert_close(output.double(), expected, atol=1e-6 * max(scale, 1), rtol=1e-5)


@given(
    st.lists(SIZE, min_size=1, max_size=3),
    st.integers(1, 40),
    st.floats(0.01, 100),
    st.integers(0, 99),
)
def test_layer_normalization_is_as_exact_as_torchs(shape, d, scale, seed):
    rng = np.random.default_rng(seed)
    x = (scale * normal(rng, *shape, d, dtype=torch.float32) + 1).requires_grad_()
    weights = normal(rng, *shape, d, dtype=torch.float32)
    results = []
    for normalize, dtype in (
        (layer_norm, torch.float32),
        (plain_norm, torch.float32),
        (plain_norm, torch.float64),
    ):
        output = normalize(x.to(dtype))
        results.append((output, *torch.autograd.grad(output, x, weights.to(dtype))))
    # a mean that is far from zero, in units of the spread, takes digits from every method
    condition = (x.abs().amax(-1) / (x.var(-1, correction=0) + 1e-5).sqrt()).max().item()
    for result, plain, exact in zip(*results, strict=True):
        allowed = (
            10 * (plain - exact).abs().max() + (1e-5 + 5e-7 * condition) * exact.abs().max() + 1e-6
        )
        assert (result - exact).abs().max() <= allowed


def plain_norm(x):
    return torch.nn.functional.layer_norm(x, x.shape[-1:])
