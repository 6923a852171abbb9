"""Distributional memorization: the generated world, networks and their scores, estimators, a whole study."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from conftest import examples_of
from rote import ngrams, tables
from rote.errors import InputError
from rote.models import lm, pretrained, rotary
from rote.papers.distmem import (
    ablation,
    estimators,
    evaluation,
    influence,
    ladder,
    mining,
    schema,
    scoring,
    settings,
    tasks,
    world,
)
from rote.synth import pretraining
from typer.testing import CliRunner

# ---- the generated world ---------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> pretraining.World:
    return pretraining.make(
        np.random.default_rng(5), tokens=150_000, entities=40, test_examples=50, mining_examples=200
    )


def test_the_world_has_the_statistics_that_it_claims(made):
    documents, facts = made.documents, made.facts
    shares = documents["kind"].value_counts(normalize=True)
    for kind, share in pretraining.SHARES.items():
        assert shares[kind] == pytest.approx(share, abs=0.02), kind
    stated = documents[documents["fact"] >= 0].merge(facts, on="fact")
    words = stated["text"].str.split()
    assert words.str[-1].isin(made.words).all()
    true = (words.str[-1] == stated["object"]).groupby(stated["fact"]).agg(["mean", "size"])
    true = true.join(facts.set_index("fact")["fidelity"])
    often = true[true["size"] >= 50]
    error = (often["mean"] - often["fidelity"]) / np.sqrt(often["fidelity"] * (1 - often["fidelity"]) / often["size"])
    assert error.abs().max() < 4.5
    assert error.std() == pytest.approx(1, abs=0.5)
    frequency = stated["fact"].value_counts(normalize=True).reindex(facts["fact"], fill_value=0).to_numpy()
    np.testing.assert_allclose(
        frequency, facts["frequency"], atol=4.5 * np.sqrt(facts["frequency"].max() / len(stated))
    )


def test_tests_are_kept_out_of_the_corpus(made):
    texts = set(" ".join(made.documents["text"]).split(" "))
    assert texts <= set(made.words)
    whole = "\n".join(made.documents["text"])
    held_out = made.tests[made.tests["task"] != "facts"]
    assert not any(output in whole for output in held_out["output"])
    sums = made.tests[made.tests["task"] == "reasoning"]
    for text in sums["output"]:
        numbers = [int(a + b) for a, b in zip(*[iter([t for t in text.split() if t.isdigit()])] * 2, strict=True)]
        x, y, z, again, w, u, answer = numbers
        assert x + y == z == again
        assert z - w == u == answer
    pairs = pd.concat([made.tests, made.mining])
    pairs = pairs[pairs["task"] != "facts"]
    assert not pairs.duplicated(["task", "input"]).any()


def test_translations_follow_the_lexicon(made):
    lexicon = made.aligned.groupby("source")["target"].agg(set).to_dict()
    for row in made.tests[made.tests["task"] == "translation"].itertuples():
        pairs = pd.DataFrame({"input_gram": [row.input], "output_gram": [row.output]})
        assert mining.aligned(pairs, lexicon).all()


def test_a_world_is_its_seed():
    sizes = {"tokens": 5000, "entities": 10, "test_examples": 10, "mining_examples": 10}
    first, again = (pretraining.make(np.random.default_rng(1), **sizes) for _ in range(2))
    other = pretraining.make(np.random.default_rng(2), **sizes)
    pd.testing.assert_frame_equal(first.documents, again.documents)
    assert not first.documents.equals(other.documents)
    assert len(first.words) == len(other.words)
    with pytest.raises(InputError, match="too many"):
        pretraining.make(np.random.default_rng(1), **(sizes | {"entities": 10**6}))
    with pytest.raises(InputError, match="must be at least 1"):
        pretraining.make(np.random.default_rng(1), **(sizes | {"tokens": 0}))


@pytest.fixture(scope="module")
def corpus(made, tmp_path_factory) -> ngrams.Corpus:
    folder = tmp_path_factory.mktemp("distmem")
    world.write_corpus(folder / "corpus.jsonl", made.documents)
    return ngrams.tokenize(folder / "corpus.jsonl", folder / "words", strict=True)


def test_counts_of_pairs_by_brute_force(made, corpus):
    options = settings.Analysis()
    pairs = mining.candidates(made.tests, options)
    pairs = pairs.groupby(["task", "n"], group_keys=False).sample(25, random_state=0).reset_index(drop=True)
    found = evaluation.count(corpus, pairs, options)
    texts = [corpus.split(text) for text in made.documents["text"]]

    def places(text, gram):
        return [at for at in range(len(text) - len(gram) + 1) if text[at : at + len(gram)] == gram]

    for row, counts in zip(pairs.itertuples(), found.itertuples(), strict=True):
        stop = options.stop_words if row.n <= options.stop_words_up_to else []
        first, second = row.input_gram.split(), row.output_gram.split()
        both = occurrences = near = 0
        for text in texts:
            kept = [at for at, word in enumerate(text) if word not in stop]
            left = [kept[at] for at in places([text[at] for at in kept], first)]
            right = places(text, second)
            both += bool(left) and bool(right)
            occurrences += len(left)
            near += sum(any(abs(a - b) <= options.windows[0] for b in right) for a in left)
        assert (counts.pair_documents, counts.first_occurrences, counts.near[0]) == (both, occurrences, near)


def test_infinity_gram_as_a_model(made, corpus, tmp_path):
    asked = made.tests.groupby("task").head(3)
    world.write_corpus(tmp_path / "corpus.jsonl", made.documents)
    tokens = ngrams.tokenize(tmp_path / "corpus.jsonl", tmp_path / "tokens", analyser=ngrams.Analyser("whitespace"))
    scores = evaluation.infinity_scores(tokens, asked, 6)
    model = ngrams.InfinityGram(tokens)
    for row, scored in zip(asked.itertuples(), scores.itertuples(), strict=True):
        before, output = tasks.prompt(row.instruction, row.input).split(), row.output.split()
        text = before + output
        for at, value in enumerate(scored.logprobs):
            place = len(before) + at
            chance = model.probability(" ".join(text[max(place - 6, 0) : place]), text[place])
            assert np.isnan(value) if chance == 0 else value == pytest.approx(np.log(chance))
        assert [row.output[a:b] for a, b in zip(scored.starts, scored.ends, strict=True)] == output


def test_bm25_and_density_by_hand(tmp_path):
    texts = ["a b c x", "a a b x y", "c c c y", "x", "b z z z z z", "a b x x x"]
    (tmp_path / "t.txt").write_text("\n".join(texts))
    corpus = ngrams.tokenize(tmp_path / "t.txt", tmp_path / "c", split="line")
    found = estimators._retrieved(corpus, ["a b"], ["x"], 2)["BM25"][0]
    split = [text.split() for text in texts]
    mean, total = np.mean([len(text) for text in split]), 0.0
    for text in split:
        if "x" in text:
            for word in ("a", "b"):
                df = sum(word in other for other in split)
                idf = np.log(1 + (6 - df + 0.5) / (df + 0.5))
                total += idf * text.count(word) * 2.5 / (text.count(word) + 1.5 * (0.25 + 0.75 * len(text) / mean))
    assert found == pytest.approx(np.log(total))


def test_evidence_is_changed_in_place(made):
    facts = made.facts.assign(documents=0)
    treated = ablation.treatments(facts, 10)
    assert treated.value_counts()[["removed", "pairs", "halved", "injected"]].tolist() == [8, 8, 8, 8]
    texts, after = ablation.change(made.documents, facts, treated, np.random.default_rng(0))
    before = made.documents
    assert [text.count(" ") for text in texts] == before["text"].str.count(" ").tolist()
    of_fact = before["fact"].map(treated).fillna("kept")
    changed = np.array(texts) != before["text"].to_numpy()
    assert not changed[(of_fact == "kept") & (before["kind"] != "mention")].any()
    entities = facts.merge(treated.rename("treatment"), left_on="fact", right_index=True)
    removed = set(entities.loc[entities["treatment"] == "removed", "subject"])
    text_of = "\n".join(texts)
    fact_of = made.facts.set_index("fact")
    for fact, name in treated.items():
        subject, relation = fact_of.loc[fact, ["subject", "relation"]]
        statements = sum(subject in text and relation in text for text in texts)
        other = made.facts[(made.facts["subject"] == subject) & (made.facts["fact"] != fact)]
        if name in ("removed", "pairs") and subject not in set(other["subject"]):
            assert statements == 0
        assert name != "injected" or after[fact] <= max(ablation.DOSES)
    assert removed
    assert text_of.count("\n") == len(before) - 1


# ---- models ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("architecture", "width", "heads"), [("gpt_neox", 16, 2), ("gpt_neox", 8, 1), ("llama", 16, 2)]
)
def test_stacked_decoders_are_those_of_transformers(tmp_path, architecture, width, heads):
    rngs = [np.random.default_rng(seed) for seed in range(3)]
    stack = lm.build(architecture, 40, 32, width, 2, heads, rngs)
    noise = torch.Generator().manual_seed(0)
    parameters = {name: p + 0.1 * torch.randn(p.shape, generator=noise) for name, p in stack.parameters.items()}
    tokens = torch.randint(0, 40, (3, 4, 20), generator=noise)
    ours = stack.forward(parameters, tokens)
    assert stack.forward(parameters, tokens, first=5, low=10).shape == (3, 4, 15, 30)
    torch.testing.assert_close(stack.forward(parameters, tokens, first=5, low=10), ours[:, :, 5:, 10:])
    for model in range(3):
        one = {name: value[model] for name, value in parameters.items()}
        rotary.save(tmp_path / str(model), architecture, one, heads, length=32)
        theirs = pretrained.causal(str(tmp_path / str(model)))
        assert theirs.num_parameters() == stack.size
        torch.testing.assert_close(theirs(tokens[model]).logits, ours[model], atol=2e-5, rtol=1e-4)


def test_token_losses_are_cross_entropy_with_its_gradient():
    generator = torch.Generator().manual_seed(1)
    logits = (5 * torch.randn(2, 7, 11, generator=generator)).requires_grad_()
    targets = torch.randint(0, 11, (2, 7), generator=generator)
    weights = torch.rand(2, 7, generator=generator)
    ours = lm.token_losses(logits, targets)
    (gradient,) = torch.autograd.grad((ours * weights).sum(), logits)
    theirs = torch.nn.functional.cross_entropy(logits.view(-1, 11), targets.view(-1), reduction="none").view(2, 7)
    (expected,) = torch.autograd.grad((theirs * weights).sum(), logits)
    torch.testing.assert_close(ours, theirs)
    torch.testing.assert_close(gradient, expected)


def test_a_ladder_learns_and_resumes_with_the_same_bytes(tmp_path):
    options = settings.Ladder(**(settings.Ladder.SCALES["smoke"]))
    rung = ladder.networks(options)[0]
    rng = np.random.default_rng(0)
    streams = [np.tile(rng.integers(1, 20, 16), 500) for _ in range(2)]

    def fit(checkpoint=None, every=500):
        rngs = [np.random.default_rng(seed) for seed in range(2)]
        return ladder.fit(rung, streams, 20, options, rngs, checkpoint=checkpoint, every=every)[1]

    whole = fit()
    assert sorted(whole) == options.snapshots
    file = tmp_path / "state.pt"
    fit(file, every=10)
    assert file.exists()  # of step 10: the run went on to the end
    again = fit(file)
    for share, parameters in whole.items():
        for name, value in parameters.items():
            torch.testing.assert_close(again[share][name], value, rtol=0, atol=0)
    with pytest.raises(InputError, match="shorter than one step"):
        ladder.fit(rung, [np.zeros(10, int)], 20, options, [rng])
    with pytest.raises(InputError, match=r"--network must be one of neox-8"):
        ladder.network(options, "neox-7")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """A small GPT-NeoX with a byte-pair tokenizer, saved by transformers' own format."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("small")
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320, special_tokens=["<end>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    inner.train_from_iterator(["the red kite is a bird of prey", "Grüße aus Bern"] * 20, trainer)
    stack = lm.build("gpt_neox", inner.get_vocab_size(), 64, 16, 1, 2, [np.random.default_rng(0)])
    noise = torch.Generator().manual_seed(3)
    one = {
        name: value[0] + 0.3 * torch.randn(value[0].shape, generator=noise) for name, value in stack.parameters.items()
    }
    rotary.save(folder, "gpt_neox", one, 2, length=64)
    PreTrainedTokenizerFast(tokenizer_object=inner, eos_token="<end>", bos_token="<end>").save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def scored(small):
    model, tokenizer = pretrained.causal(str(small)), pretrained.tokenizer(str(small))
    rows = examples_of(
        ("what is a kite", "a Bird, of prey — Grüße"), ("where", "Bern"), ("the red " * 90, "kite is red"), ("x", "")
    )
    rows.at[1, "choices"] = ["Bern", "kite"]
    rows["instruction"] = "Question: {input}\nAnswer:"
    return model, tokenizer, rows, scoring.score(model, tokenizer, rows)


def test_scores_token_by_token(scored):
    model, tokenizer, rows, scores = scored
    row = rows.iloc[0]
    before = f"Question: {row['input']}\nAnswer:"
    ids = [tokenizer.bos_token_id, *tokenizer(f"{before} {row['output']}")["input_ids"]]
    with torch.no_grad():
        logprobs = model(torch.tensor([ids])).logits[0].log_softmax(-1)
    first = 1 + len(tokenizer(before)["input_ids"])
    wanted = [float(logprobs[at - 1, ids[at]]) for at in range(first, len(ids))]
    np.testing.assert_allclose(scores.iloc[0]["logprobs"], wanted, atol=1e-4)
    exact = [int(logprobs[at - 1].argmax()) == ids[at] for at in range(first, len(ids))]
    assert scores.iloc[0]["correct"] == all(exact)


def test_a_tokenizer_that_knows_no_characters(tmp_path):
    """Bytes as tokens, in pure Python: offsets come from decoding, and several bytes may be one character."""
    from transformers import ByT5Tokenizer

    ByT5Tokenizer().save_pretrained(tmp_path)
    with pytest.raises(InputError, match="not a fast one"):
        pretrained.tokenizer(str(tmp_path))
    tokenizer = pretrained.tokenizer(str(tmp_path), fast=False)
    ((ids, spans, cut),) = scoring._encode(tokenizer, ["In:"], ["Grüße"], 100)
    assert cut == 0
    assert [a for a, _ in spans] == [0, 1, 2, 2, 3, 3, 4]
    assert len(ids) == 1 + len("In: ") + len("Grüße".encode())
    assert all(b == a + 1 for a, b in spans)


def test_half_precision_is_no_reason_for_infinities():
    """Log-softmax is taken in float32: logits of a float16 model far apart give a finite log-probability."""

    class Sharp(torch.nn.Module):
        def forward(self, input_ids, attention_mask):
            logits = torch.full((*input_ids.shape, 5), -60_000.0, dtype=torch.float16)
            logits[..., 0] = 60_000.0
            return type("Output", (), {"logits": logits})

    values, best = scoring._next_tokens(Sharp(), [[1, 2, 0], [1, 0]], "cpu")
    assert values[0].tolist() == [-120_000.0, 0.0]
    assert best[0].tolist() == [False, True]


def test_a_long_prompt_is_cut_on_the_left_and_never_the_answer(scored):
    *_, scores = scored
    assert scores["truncated"].tolist().count(0) == len(scores) - 1
    cut = scores[scores["truncated"] > 0].iloc[0]
    assert len(cut["logprobs"]) > 0
    assert cut["ends"][-1] == len("kite is red")


def test_spans_are_summed_over_the_tokens_that_overlap_them(scored):
    _, _, rows, scores = scored
    output = rows.iloc[0]["output"]
    pairs = mining.candidates(rows.iloc[:1].assign(input="zz zz"), settings.Analysis(grams={"t": [1, 2]}))
    found, uncovered = scoring.span_logprobs(pairs, scores[scores["choice"] < 0])
    assert uncovered == 0
    line = scores.iloc[0]
    for pair, value in zip(pairs.itertuples(), found, strict=True):
        said = output[pair.start : pair.end].casefold()
        assert said.replace(", ", " ").replace(" — ", " ") == pair.output_gram
        tokens = zip(line["logprobs"], line["starts"], line["ends"], strict=True)
        assert value == pytest.approx(sum(p for p, a, b in tokens if a < pair.end and b > pair.start))
    longer, _ = scoring.span_logprobs(pairs, scores[scores["choice"] < 0], span="to_end")
    assert (longer <= found + 1e-9).all()
    assert longer[0] == pytest.approx(sum(line["logprobs"]))
    beyond = pairs.head(1).assign(start=500, end=510)
    value, uncovered = scoring.span_logprobs(beyond, scores[scores["choice"] < 0])
    assert (np.isnan(value[0]), uncovered) == (True, 1)


def test_tokens_without_probability():
    scores = pd.DataFrame({"task": ["t"], "example": [0], "logprobs": [[-1.0, np.nan, -2.0]], "starts": [[0, 2, 4]],
                           "ends": [[1, 3, 5]]})  # fmt: skip
    pairs = pd.DataFrame({"task": "t", "example": 0, "start": [0, 0, 2], "end": [1, 5, 3]})
    strict = scoring.span_logprobs(pairs, scores)[0]
    assert strict[0] == -1.0
    assert np.isnan(strict[1:]).all()
    ignoring = scoring.span_logprobs(pairs, scores, ignore_zero=True)[0]
    assert ignoring[:2].tolist() == [-1.0, -3.0]  # a token of probability 0 is a factor of one
    assert np.isnan(ignoring[2])  # all of them: no value


def test_batches_and_padding_change_nothing(scored):
    model, tokenizer, rows, scores = scored
    alone = scoring.score(model, tokenizer, rows, batch_tokens=1)
    for one, other in zip(scores["logprobs"], alone["logprobs"], strict=True):
        np.testing.assert_allclose(one, other, atol=1e-4)
    assert scores["generated"].tolist() == alone["generated"].tolist()
    assert scores.loc[scores["task"].eq("t") & scores["example"].eq(1), "choice"].tolist() == [-1, 0, 1]


def test_influence_of_a_text_on_itself_is_its_squared_gradient(small):
    model, tokenizer = pretrained.causal(str(small)), pretrained.tokenizer(str(small))
    text = "the red kite is a bird"
    span = (text.index("bird"), len(text))
    other = ("a kite of prey", (10, 14))
    item = influence.Item("t", 0, text, span, [(text, span), (text, span)], [other])
    both, single, cosine, _ = influence.measure(model, tokenizer, [item])[0]
    assert cosine == pytest.approx(1.0)
    leaves = list(model.parameters())

    def gradient(content, place):
        return torch.autograd.grad(influence._loss(model, tokenizer, [(content, place)], "cpu"), leaves)

    g, h = gradient(text, span), gradient(*other)
    assert both == pytest.approx(float(sum((a.double() ** 2).sum() for a in g)), rel=1e-5)
    assert single == pytest.approx(
        float(sum((a.double() * b.double()).sum() for a, b in zip(g, h, strict=True))), rel=1e-5
    )


def test_fewer_documents_are_all_used_and_none_skips_the_item(made, corpus):
    options, limits = settings.Analysis(), settings.Influence(items=5, documents=10**6)
    examples = made.tests.assign(part="test")
    pairs = mining.candidates(examples[examples["task"] == "facts"], options)
    pairs = pairs[pairs["n"] == 3].reset_index(drop=True)
    pairs = pairs.join(evaluation.count(corpus, pairs, options))
    texts, rng = made.documents["text"].tolist(), np.random.default_rng(0)
    items = influence.choose(corpus, texts, examples, pairs, options, limits, rng)
    assert 0 < len(items) <= 5
    for item in items:
        row = pairs[pairs["example"] == item.example].iloc[0]
        assert len(item.with_pair) == len(item.output_only)
        assert len(item.with_pair) <= row["pair_documents"]
        for text, (begin, end) in (*item.with_pair, *item.output_only):
            assert text[begin:end] == row["output_gram"]
            assert text.endswith(row["output_gram"])
    nothing = pairs.assign(pair_documents=0)
    assert influence.choose(corpus, texts, examples, nothing, options, limits, rng) == []


# ---- real tasks, and a whole study -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("row", "wanted"),
    [
        ({"x": "in", "y": "out"}, ("in", "out", [])),
        ({"u": "Say {input}", "x": "in", "y": "out", "choices": ["out", "no"]}, ("Say in", "out", ["out", "no"])),
        ({"question": "Q?", "question_source": "s", "answer": {"value": "A"}}, ("Question: Q?\nAnswer:", "A", [])),
        ({"question": "Q?", "choices": ["a", "b"], "answer": 1}, ("Question: Q?\nAnswer:", "b", ["a", "b"])),
        ({"question": "Q?", "answer": "1+1=2\n#### 2"}, ("Question: Q?\nAnswer:", "1+1=2\nanswer 2", [])),
        ({"translation": {"en": "cat", "cs": "kočka"}}, ("English text: cat\nCzech translation:", "kočka", [])),
    ],
)
def test_task_rows_of_known_forms(tmp_path, row, wanted):
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\n\n" + json.dumps(row) + "\n")
    found = tasks.read("t", str(tmp_path / "t.jsonl"), "test", limit=1).iloc[0]
    assert (tasks.prompt(found["instruction"], found["input"]), found["output"], found["choices"]) == wanted
    pd.DataFrame([row]).to_parquet(tmp_path / "t.parquet")
    assert tasks.read("t", str(tmp_path / "t.parquet"), "test")["output"].tolist() == [wanted[1]]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"x": "a"}', r"t\.jsonl, line 1: needs x and y, or a known data set's form; it has x"),
        ('{"x": 1, "y": "b"}', r"line 1: input and output must be text"),
        ("\n[1]", r"line 2: not an object"),
        ("{", r"line 1: not JSON"),
        ('{"question": "q", "choices": ["a"], "answer": 4}', r"line 1: not of the form that its keys promise"),
        ("", r"no row in"),
    ],
)
def test_bad_task_rows_are_named(tmp_path, content, message):
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(InputError, match=message):
        tasks.read("t", str(tmp_path / "t.jsonl"), "test")


def call(*arguments) -> None:
    from rote.cli import app

    done = CliRunner().invoke(app, ["distmem", *map(str, arguments)])
    if done.exception:
        raise done.exception


def study(tmp_path, small, rows, texts) -> dict[str, pd.DataFrame]:
    """All verbs of a study on a corpus and a model folder, counted in three parts."""
    (tmp_path / "corpus.jsonl").write_text("".join(json.dumps({"body": text}) + "\n" for text in texts))
    (tmp_path / "task.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    options = {"corpus": str(tmp_path / "corpus.jsonl"), "column": "body", "models": [f"{small}@main"],
               "tasks": {"birds": str(tmp_path / "task.jsonl")}, "parts": 3, "shard_tokens": 50}  # fmt: skip
    own = ("--settings", json.dumps(options))
    path = {name: tmp_path / f"{name}.parquet" for name in ("examples", "pairs", "counts", "infinity", "scores")}
    words = ("--words", tmp_path / "words")
    call("synthesize-examples", "--out", path["examples"], *own)
    call("synthesize-tokens", *words, "--tokens", tmp_path / "tokens", *own)
    call("embed-pairs", *words, "--examples", path["examples"], "--out", path["pairs"])
    parts = []
    for part in range(3):
        parts += ["--part", tmp_path / f"part{part}.parquet"]
        call("count-pairs", *words, "--pairs", path["pairs"], "--out", parts[-1], "--part", part, "--parts", 3)
    call("count-total", *parts, "--pairs", path["pairs"], "--out", path["counts"])
    call("count-infinity", "--tokens", tmp_path / "tokens", "--examples", path["examples"], "--out", path["infinity"])
    call("evaluate-pretrained", "--number", 0, "--examples", path["examples"], "--out", path["scores"], *own)
    read = [part for name in ("examples", "pairs", "counts") for part in (f"--{name}", path[name])]
    read += ["--scores", path["infinity"], "--scores", path["scores"]]
    call("evaluate-memorization", "--source", "pythia", *words, *read, "--out", tmp_path / "out")
    made = {name: tmp_path / "out" / f"{name}.parquet" for name in ("memorization", "performance", "novel")}
    return {name: tables.read(file) for name, file in (made | path).items()}


def test_a_users_own_model_corpus_and_task(tmp_path, small):
    rng = np.random.default_rng(0)
    birds = ["red kite", "sea eagle", "barn owl", "tawny owl", "grey heron", "white stork", "black swan", "wood pigeon"]
    foods = ["small mice", "live fish", "fresh grass", "dead rabbits"]
    texts = [f"The {rng.choice(birds)} eats {rng.choice(foods)} at night, they say." for _ in range(300)]
    rows = [{"u": "Question: {input} Answer:", "x": f"what does the {bird} eat", "y": f"{food} at night"}
            for bird in birds for food in foods]  # fmt: skip
    found = study(tmp_path, small, rows, texts)
    counts, pairs = found["counts"], found["pairs"]
    corpus = ngrams.Corpus.open(tmp_path / "words")
    assert len(corpus.shards) > 10
    row = pairs[(pairs["n"] == 3) & (pairs["output_gram"] == "small mice at")].index[0]
    assert counts.loc[row, "second_documents"] == sum("small mice at" in text for text in texts)
    main = found["memorization"].set_index(["n", "variant"])
    assert main.loc[(3, "paper"), "dropped_zero_input"] > 0
    assert set(found["performance"]["model"]) == {small.name + "@main"}
    assert (found["memorization"]["points"] <= len(pairs)).all()
    wrong = tmp_path / "part1.parquet"
    tables.write(wrong, tables.read(wrong), schema.Counts, {"queries": "other", "shards": [1]})
    with pytest.raises(InputError, match=r"part1\.parquet counted other pairs"):
        call("count-total", "--part", wrong, "--pairs", tmp_path / "pairs.parquet", "--out", tmp_path / "x.parquet")


def test_a_study_without_any_pair_gives_empty_tables_and_does_not_crash(tmp_path, small):
    found = study(tmp_path, small, [{"x": "?", "y": "!"}, {"x": "same", "y": "same"}], ["some text", "more text"])
    assert len(found["pairs"]) == len(found["memorization"]) == 0
    assert list(found["memorization"].columns) == list(schema.Memorization.model_fields)
    assert len(found["performance"]) == 2


def test_a_study_needs_models_and_tasks():
    with pytest.raises(ValueError, match="`models` and `tasks` must be given too"):
        settings.Pythia(corpus="x.jsonl")
