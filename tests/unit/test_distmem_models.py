"""Distributional memorization: models, their scores, and a study on material of one's own."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import examples_of
from rote.core.errors import InputError
from rote.models import lm, pretrained, rotary
from rote.papers.distmem import (
    families,
    influence,
    ladder,
    mining,
    scoring,
    settings,
)
from rote.papers.distmem.passages import Passage, TracedExample, TracedGram
from rote.papers.distmem.scoring import LanguageModel
from rote.papers.distmem.spans import span_logprobs


@pytest.mark.parametrize(
    ("architecture", "width", "heads"), [("gpt_neox", 16, 2), ("gpt_neox", 8, 1), ("llama", 16, 2)]
)
def test_stacked_decoders_are_those_of_transformers(tmp_path, architecture, width, heads):
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    stack = lm.build(lm.Transformer(architecture, 40, 32, width, 2, heads), rngs)
    noise = torch.Generator().manual_seed(0)
    parameters = {
        name: p + 0.1 * torch.randn(p.shape, generator=noise)
        for name, p in stack.parameters.items()
    }
    tokens = torch.randint(0, 40, (3, 4, 20), generator=noise)
    logits = stack.forward(parameters, tokens)
    assert stack.forward(parameters, tokens, first=5, low=10).shape == (3, 4, 15, 30)
    torch.testing.assert_close(
        stack.forward(parameters, tokens, first=5, low=10), logits[:, :, 5:, 10:]
    )
    for model in range(3):
        one = {name: value[model] for name, value in parameters.items()}
        rotary.save(tmp_path / str(model), architecture, one, heads, length=32)
        reference = pretrained.causal(str(tmp_path / str(model)))
        assert reference.num_parameters() == stack.size
        torch.testing.assert_close(
            reference(tokens[model]).logits, logits[model], atol=2e-5, rtol=1e-4
        )


def test_token_losses_are_cross_entropy_with_its_gradient():
    generator = torch.Generator().manual_seed(1)
    logits = (5 * torch.randn(2, 7, 11, generator=generator)).requires_grad_()
    targets = torch.randint(0, 11, (2, 7), generator=generator)
    weights = torch.rand(2, 7, generator=generator)
    losses = lm.token_losses(logits, targets)
    (gradient,) = torch.autograd.grad((losses * weights).sum(), logits)
    reference = torch.nn.functional.cross_entropy(
        logits.view(-1, 11), targets.view(-1), reduction="none"
    ).view(2, 7)
    (expected,) = torch.autograd.grad((reference * weights).sum(), logits)
    torch.testing.assert_close(losses, reference)
    torch.testing.assert_close(gradient, expected)


def test_ladder_learns_and_resumes_with_the_same_bytes(tmp_path):
    options = settings.DistmemLadder(
        neox=settings.NeoxNetworks(**settings.NeoxNetworks.SCALES["smoke"]),
        **settings.DistmemLadder.SCALES["smoke"],
    )
    rung = families.rungs(options, families.NEOX)[0]
    rng = np.random.default_rng(0)
    streams = [np.tile(rng.integers(1, 20, 16), 500) for _ in range(2)]

    def fit(checkpoint=None, steps=500):
        rngs = [np.random.default_rng(seed) for seed in range(2)]
        training = ladder.LadderTraining("cpu", checkpoint, steps)
        return ladder.fit(rung, streams, 20, options, rngs, training).snapshots

    snapshots = fit()
    assert sorted(snapshots) == options.snapshots
    transformer = lm.Transformer(
        "gpt_neox", 20, options.length, rung.width, rung.layers, rung.heads
    )
    untrained = lm.build(transformer, [np.random.default_rng(seed) for seed in range(2)])
    for name, value in untrained.parameters.items():
        torch.testing.assert_close(snapshots[0.0][name], value, rtol=0, atol=0)
    file = tmp_path / "state.pt"
    fit(file, steps=10)
    assert file.exists()  # of step 10: the run went on to the end
    resumed = fit(file)
    for share, parameters in snapshots.items():
        for name, value in parameters.items():
            torch.testing.assert_close(resumed[share][name], value, rtol=0, atol=0)
    with pytest.raises(InputError, match="shorter than one step"):
        ladder.fit(rung, [np.zeros(10, int)], 20, options, [rng])
    with pytest.raises(InputError, match=r"--network must be one of neox-8"):
        families.network(options, "neox-7")


@pytest.fixture(scope="module")
def scored(small_lm):
    model = scoring.load(str(small_lm), "cpu")
    rows = examples_of(
        ("what is a kite", "a Bird, of prey — Grüße"),
        ("where", "Bern"),
        ("the red " * 90, "kite is red"),
        ("x", ""),
    )
    rows.at[1, "choices"] = ["Bern", "kite"]
    rows["instruction"] = "Question: {input}\nAnswer:"
    return model, rows, scoring.score(model, rows, generated_tasks=["t"])


def test_scores_are_log_probabilities_token_by_token(scored):
    model, rows, scores = scored
    tokenizer = model.tokenizer
    row = rows.iloc[0]
    before = f"Question: {row['input']}\nAnswer:"
    ids = [tokenizer.bos_token_id, *tokenizer(f"{before} {row['output']}")["input_ids"]]
    with torch.no_grad():
        logprobs = model.model(torch.tensor([ids])).logits[0].log_softmax(-1)
    first = 1 + len(tokenizer(before)["input_ids"])
    expected = [float(logprobs[i - 1, ids[i]]) for i in range(first, len(ids))]
    np.testing.assert_allclose(scores.iloc[0]["logprobs"], expected, atol=1e-4)
    exact = [int(logprobs[i - 1].argmax()) == ids[i] for i in range(first, len(ids))]
    assert scores.iloc[0]["correct"] == all(exact)


def test_encode_takes_a_tokenizer_that_knows_no_characters(tmp_path):
    """Bytes as tokens: offsets come from decoding, and several bytes may be one character."""
    from transformers import ByT5Tokenizer, GPTNeoXConfig

    ByT5Tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="not a fast one"):
        pretrained.tokenizer(str(tmp_path))
    tokenizer = pretrained.tokenizer(str(tmp_path), fast=False)
    config = GPTNeoXConfig(max_position_embeddings=100)
    model = LanguageModel(SimpleNamespace(config=config), tokenizer)
    ((ids, spans, truncated),) = scoring._encode(model, ["In:"], ["Grüße"])
    assert truncated == 0
    assert [a for a, _ in spans] == [0, 1, 2, 2, 3, 3, 4]
    assert len(ids) == 1 + len("In: ") + len("Grüße".encode())
    assert all(b == a + 1 for a, b in spans)


def test_next_tokens_are_finite_in_half_precision():
    """Log-softmax is taken in float32: logits of a float16 model may be far apart."""

    class Sharp(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            logits = torch.full((*input_ids.shape, 5), -60_000.0, dtype=torch.float16)
            logits[..., 0] = 60_000.0
            return type("Output", (), {"logits": logits})

    values, best = scoring._next_tokens(LanguageModel(Sharp(), None), [[1, 2, 0], [1, 0]])
    assert values[0].tolist() == [-120_000.0, 0.0]
    assert best[0].tolist() == [False, True]


def test_score_cuts_a_long_prompt_on_the_left_and_never_the_answer(scored):
    _, _, scores = scored
    assert scores["truncated"].tolist().count(0) == len(scores) - 1
    truncated = scores[scores["truncated"] > 0].iloc[0]
    assert len(truncated["logprobs"]) > 0
    assert truncated["ends"][-1] == len("kite is red")


def test_span_logprobs_sum_over_the_tokens_that_overlap(scored):
    _, rows, scores = scored
    output = rows.iloc[0]["output"]
    pairs = mining.candidates(
        rows.iloc[:1].assign(input="zz zz"), settings.DistmemAnalysis(grams={"t": [1, 2]})
    )
    logprobs, n_uncovered = span_logprobs(pairs, scores[scores["choice"] < 0])
    assert n_uncovered == 0
    line = scores.iloc[0]
    for pair, value in zip(pairs.itertuples(), logprobs, strict=True):
        text = output[pair.start : pair.end].casefold()
        assert text.replace(", ", " ").replace(" — ", " ") == pair.output_gram
        tokens = zip(line["logprobs"], line["starts"], line["ends"], strict=True)
        assert value == pytest.approx(
            sum(p for p, a, b in tokens if a < pair.end and b > pair.start)
        )
    longer, _ = span_logprobs(pairs, scores[scores["choice"] < 0], to_end=True)
    assert (longer <= logprobs + 1e-9).all()
    assert longer[0] == pytest.approx(sum(line["logprobs"]))
    beyond = pairs.head(1).assign(start=500, end=510)
    value, n_uncovered = span_logprobs(beyond, scores[scores["choice"] < 0])
    assert (np.isnan(value[0]), n_uncovered) == (True, 1)


def test_span_logprobs_ignore_tokens_without_probability_only_if_asked():
    scores = pd.DataFrame(
        {
            "task": ["t"],
            "example": [0],
            "logprobs": [[-1.0, np.nan, -2.0]],
            "starts": [[0, 2, 4]],
            "ends": [[1, 3, 5]],
        }
    )
    pairs = pd.DataFrame({"task": "t", "example": 0, "start": [0, 0, 2], "end": [1, 5, 3]})
    strict = span_logprobs(pairs, scores).logprobs
    assert strict[0] == -1.0
    assert np.isnan(strict[1:]).all()
    ignoring = span_logprobs(pairs, scores, ignore_zero=True).logprobs
    assert ignoring[:2].tolist() == [-1.0, -3.0]  # a token of probability 0 is a factor of one
    assert np.isnan(ignoring[2])  # all of them: no value


def test_score_does_not_depend_on_batches_and_padding(scored):
    model, rows, scores = scored
    alone = scoring.score(model, rows, generated_tasks=["t"], batch_tokens=1)
    for batched, single in zip(scores["logprobs"], alone["logprobs"], strict=True):
        np.testing.assert_allclose(batched, single, atol=1e-4)
    assert scores["generated"].tolist() == alone["generated"].tolist()
    assert (scores.loc[scores["choice"] < 0, "generated"] != "").any()
    assert (scores.loc[scores["choice"] >= 0, "generated"] == "").all()
    choices = scores.loc[scores["task"].eq("t") & scores["example"].eq(1), "choice"]
    assert choices.tolist() == [-1, 0, 1]


def test_influence_of_a_text_on_itself_is_its_squared_gradient(small_lm):
    model = scoring.load(str(small_lm), "cpu")
    text = "the red kite is a bird"
    test = Passage(text, (text.index("bird"), len(text)))
    other = Passage("a kite of prey", (10, 14))
    # two pairs of one output n-gram, of two documents and of one
    documents = {
        "pair": ([test, test, test], [0.5, 0.5, 1.0]),
        "output_only": ([other], [2.0]),
        "matched": ([test], [1.0]),
    }
    grams = [TracedGram(test, documents, 2), TracedGram(other, documents, 2)]
    result = influence.measure(model, [TracedExample("t", 0, grams)]).iloc[0]
    leaves = list(model.model.parameters())
    g = torch.autograd.grad(influence.loss(model, [test]), leaves)
    h = torch.autograd.grad(influence.loss(model, [other]), leaves)

    def product(first, second):
        return float(
            sum((a.double() * b.double()).sum() for a, b in zip(first, second, strict=True))
        )

    # Eq. 9: over pairs, each with the mean over its documents
    assert result["pair"] == pytest.approx(2 * product(g, g) + 2 * product(h, g), rel=1e-5)
    assert result["output_only"] == pytest.approx(2 * product(g, h) + 2 * product(h, h), rel=1e-5)
    cosine = product(g, h) / (product(g, g) * product(h, h)) ** 0.5
    assert result["matched_cosine"] == pytest.approx((1 + cosine) / 2, rel=1e-5)
