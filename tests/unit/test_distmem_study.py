"""Distributional memorization of published models: tasks in files, metrics, and a whole study."""

import json
from itertools import product

import numpy as np
import pandas as pd
import pytest
from rote import ngrams
from rote.core import tables
from rote.core.errors import InputError
from rote.models import lm, pretrained, rotary
from rote.papers.distmem import (
    corpora,
    metrics,
    mining,
    schema,
    scoring,
    settings,
    task_files,
    tasks,
)
from typer.testing import CliRunner


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"x": "in", "y": "out"}, ("in", "out", [])),
        (
            {"u": "Say {input}", "x": "in", "y": "out", "choices": ["out", "no"]},
            ("Say in", "out", ["out", "no"]),
        ),
        (
            {"question": "Q?", "question_source": "s", "answer": {"value": "A"}},
            ("Question: Q?\nAnswer:", "A", []),
        ),
        (
            {"question": "Q?", "choices": ["a", "b"], "answer": 1},
            ("Question: Q?\nAnswer:", "b", ["a", "b"]),
        ),
        (
            {"question": "Q?", "answer": "1+1=2\n#### 2"},
            ("Question: Q?\nAnswer:", "1+1=2\nanswer 2", []),
        ),
        (
            {"question": "Q?", "answer": "4*2=<<4*2=8>>8 eggs\n8-3=<<8-3=5>>5\n#### 5"},
            ("Question: Q?\nAnswer:", "4*2=8 eggs\n8-3=5\nanswer 5", []),
        ),
        (
            {"translation": {"en": "cat", "cs": "kočka"}},
            ("English text: cat\nCzech translation:", "kočka", []),
        ),
    ],
)
def test_task_files_read_rows_of_known_forms(tmp_path, row, expected):
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\n\n" + json.dumps(row) + "\n")
    example = task_files.read("t", str(tmp_path / "t.jsonl"), "test", limit=1).iloc[0]
    prompt = tasks.prompt(example["instruction"], example["input"])
    assert (prompt, example["output"], example["choices"]) == expected
    pd.DataFrame([row]).to_parquet(tmp_path / "t.parquet")
    examples = task_files.read("t", str(tmp_path / "t.parquet"), "test")
    assert examples["output"].tolist() == [expected[1]]


def test_task_files_take_as_many_of_every_subject(tmp_path):
    rows = []
    for subject, size in (("anatomy", 900), ("law", 50), ("virology", 5)):
        rows += [
            {"question": f"{subject} {i}", "choices": ["a", "b"], "answer": 0, "subject": subject}
            for i in range(size)
        ]
    (tmp_path / "t.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    examples = task_files.read("mmlu", str(tmp_path / "t.jsonl"), "test", limit=45)
    assert examples["group"].value_counts().to_dict() == {"anatomy": 20, "law": 20, "virology": 5}
    assert examples["example"].tolist() == list(range(45))
    # not the first ones, and the same ones every time
    assert examples["input"][0] != "anatomy 0" or examples["input"][1] != "anatomy 1"
    again = task_files.read("mmlu", str(tmp_path / "t.jsonl"), "test", limit=45)
    pd.testing.assert_frame_equal(examples, again)


def test_trivia_answers_are_whole_and_have_aliases(tmp_path):
    answer = {"value": "The Great Red Kite", "aliases": ["Milvus milvus"]}
    row = {"question": "Which bird?", "question_source": "s", "answer": answer}
    (tmp_path / "t.jsonl").write_text(json.dumps(row) + "\n")
    examples = task_files.read("trivia", str(tmp_path / "t.jsonl"), "test")
    pairs = mining.candidates(examples, settings.DistmemAnalysis(grams={"trivia": [3, 5]}))
    assert set(pairs["output_gram"]) == {"the great red kite"}
    assert examples["aliases"].tolist() == [["Milvus milvus"]]
    right = [row["answer"]["value"], *answer["aliases"]]
    assert metrics.answers("A great, red kite. It flies", right)
    assert metrics.answers("milvus Milvus", right)
    assert not metrics.answers("kite\nthe great red kite", right)
    assert not metrics.answers("", right)


def test_bleu_is_that_of_its_definition():
    reference = ["the red kite eats small mice at night"]
    assert metrics.bleu(reference, reference) == pytest.approx(100)
    # 7 of 8 words, 5 of 7 pairs, 4 of 6, 3 of 5
    one_off = ["the red kite eats small fish at night"]
    counts = (7 / 8) * (5 / 7) * (3 / 6) * (2 / 5)
    assert metrics.bleu(one_off, reference) == pytest.approx(100 * counts**0.25)
    short = ["the red kite eats"]
    assert metrics.bleu(short, reference) == pytest.approx(100 * np.exp(1 - 8 / 4))
    assert metrics.bleu(["zz"], reference) == 0.0
    expected = ["It's", "3.5", ",", "(", "or", "4", ")", "-yes", "."]
    assert metrics.tokens("It's 3.5, (or 4)-yes.") == expected
    # no order of four matches: half of one is counted
    rough = ["the red bird eats big mice at noon"]
    matches = [5 / 8, 2 / 7, 1 / (2 * 6), 1 / (4 * 5)]
    assert metrics.bleu(rough, reference) == pytest.approx(100 * np.prod(matches) ** 0.25)


def test_bleu_agrees_with_sacrebleu():
    sacrebleu = pytest.importorskip("sacrebleu")
    written = ["Der rote Milan frisst kleine Mäuse.", "A 3.5-fold rise, they say."]
    references = ["Der rote Milan fraß nachts kleine Mäuse.", "They say it is a 3.5-fold rise."]
    expected = sacrebleu.corpus_bleu(written, [references]).score
    assert metrics.bleu(written, references) == pytest.approx(expected)
    for one, reference in zip(written, references, strict=True):
        expected = sacrebleu.sentence_bleu(one, [reference]).score
        assert metrics.bleu([one], [reference]) == pytest.approx(expected)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('{"x": "a"}', r"t\.jsonl, line 1: needs x and y, or a known data set's form; it has x"),
        ('{"x": 1, "y": "b"}', r"line 1: input and output must be text"),
        ("\n[1]", r"line 2: not an object"),
        ("{", r"line 1: not JSON"),
        (
            '{"question": "q", "choices": ["a"], "answer": 4}',
            r"line 1: not of the form that its keys promise",
        ),
        ("", r"no row in"),
    ],
)
def test_task_files_name_bad_rows(tmp_path, content, message):
    (tmp_path / "t.jsonl").write_text(content)
    with pytest.raises(InputError, match=message):
        task_files.read("t", str(tmp_path / "t.jsonl"), "test")


def call(*arguments) -> None:
    from rote.cli import app

    result = CliRunner().invoke(app, ["distmem", *map(str, arguments)])
    if result.exception:
        raise result.exception


def study(tmp_path, small_lm, rows, texts) -> dict[str, pd.DataFrame]:
    """All verbs of a study on a corpus and a model folder, counted in three parts."""
    corpus = tmp_path / "corpus.jsonl"
    task = tmp_path / "task.jsonl"
    corpus.write_text("".join(json.dumps({"body": text}) + "\n" for text in texts))
    task.write_text("".join(json.dumps(row) + "\n" for row in rows))
    section = {
        "corpus": str(corpus),
        "column": "body",
        "models": [f"{small_lm}@main"],
        "tasks": {"birds": str(task)},
        "parts": 3,
        "shard_tokens": 50,
    }
    options = ("--settings", json.dumps(section))
    names = ("examples", "pairs", "counts", "infinity", "scores")
    path = {name: tmp_path / f"{name}.parquet" for name in names}
    words = ("--words", tmp_path / "words")
    tokens = ("--tokens", tmp_path / "tokens")
    examples = ("--examples", path["examples"])
    pairs = ("--pairs", path["pairs"])
    call("synthesize-examples", "--out", path["examples"], *options)
    call("synthesize-tokens", *words, *tokens, *options)
    call("embed-pairs", *words, *examples, "--out", path["pairs"])
    parts = []
    for part in range(3):
        out = tmp_path / f"part{part}.parquet"
        call("count-pairs", *words, *pairs, "--out", out, "--part", part, "--parts", 3)
        parts += ["--part", out]
    call("count-total", *parts, *pairs, "--out", path["counts"])
    call("count-infinity", *tokens, *examples, "--out", path["infinity"])
    call("evaluate-pretrained", "--number", 0, *examples, "--out", path["scores"], *options)
    scores = ("--scores", path["infinity"], "--scores", path["scores"])
    call("evaluate-memorization", "--corpus", tmp_path, *scores, "--out", tmp_path / "out")
    for name in ("memorization", "performance", "novel"):
        path[name] = tmp_path / "out" / f"{name}.parquet"
    return {name: tables.read(file) for name, file in path.items()}


def test_study_takes_a_users_own_model_corpus_and_task(tmp_path, small_lm):
    rng = np.random.default_rng(0)
    birds = ["red kite", "sea eagle", "barn owl", "tawny owl", "grey heron", "white stork"]
    birds += ["black swan", "wood pigeon"]
    foods = ["small mice", "live fish", "fresh grass", "dead rabbits"]
    texts = [
        f"The {rng.choice(birds)} eats {rng.choice(foods)} at night, they say." for _ in range(300)
    ]
    instruction = "Question: {input} Answer:"
    rows = [
        {"u": instruction, "x": f"what does the {bird} eat", "y": f"{food} at night"}
        for bird, food in product(birds, foods)
    ]
    result = study(tmp_path, small_lm, rows, texts)
    counts = result["counts"]
    pairs = result["pairs"]
    corpus = ngrams.Corpus.open(tmp_path / "words")
    assert len(corpus.shards) > 10
    row = pairs[(pairs["n"] == 3) & (pairs["output_gram"] == "small mice at")].index[0]
    assert counts.loc[row, "second_documents"] == sum("small mice at" in text for text in texts)
    memorization = result["memorization"].set_index(["n", "variant"])
    assert memorization.loc[(3, "paper"), "dropped_zero_input"] > 0
    assert memorization.loc[(3, "window"), "parameter"].tolist() == [5, 10, 15]
    assert memorization.loc[(3, "cosine"), "parameter"].tolist() == [0.75, 0.5, 0.25]
    assert memorization.loc[[(3, "paper")], "parameter"].isna().all()
    assert set(result["performance"]["model"]) == {small_lm.name + "@main"}
    assert (result["memorization"]["points"] <= len(pairs)).all()
    part = tmp_path / "part1.parquet"
    out = tmp_path / "x.parquet"
    tables.write(
        part, tables.read(part), schema.TaskGramCounts, {"queries": "other", "shards": [1]}
    )
    with pytest.raises(InputError, match=r"part1\.parquet counted other pairs"):
        call("count-total", "--part", part, "--pairs", tmp_path / "pairs.parquet", "--out", out)


def test_study_without_any_pair_gives_empty_tables_and_does_not_crash(tmp_path, small_lm):
    rows = [{"x": "?", "y": "!"}, {"x": "same", "y": "same"}]
    result = study(tmp_path, small_lm, rows, ["some text", "more text"])
    assert len(result["pairs"]) == len(result["memorization"]) == 0
    columns = list(schema.MemorizationByVariant.model_fields)
    assert list(result["memorization"].columns) == columns
    assert len(result["performance"]) == 2


def test_study_refuses_lists_of_links(tmp_path):
    """Dolma's listing on the hub holds the names of its shards."""
    links = [f"https://olmo-data.org/dolma-v1_7/part-{i:05d}.json.gz" for i in range(50)]
    (tmp_path / "v1_7.txt").write_text("\n".join(links) + "\n")
    study = settings.DistmemOLMo(corpus=str(tmp_path), models=["m"], tasks={"t": "t.jsonl"})
    with pytest.raises(InputError, match="its documents are lists of links, as 'https://olmo"):
        corpora.tokenize_study(study, tmp_path / "words", tmp_path / "tokens")
    (tmp_path / "v1_7.txt").write_text("\n\n".join(["see https://a.b/c", *links]))
    corpora.refuse_links(str(tmp_path), "text")


def test_study_has_the_released_codes_stop_words_and_windows():
    study = settings.DistmemPythia()
    options = study.analysis(settings.DistmemAnalysis())
    assert len(options.stop_words) > 120
    assert {"the", "of", "herself"} <= set(options.stop_words)
    assert options.windows == [10, 50, 100, 1000]
    assert options.gammas == [0.7, 0.75, 0.8]
    german = settings.DistmemPythia(stop_words=["und"], tokens="x").analysis(options)
    assert (german.stop_words, german.stop_words_up_to) == (["und"], 0)


def test_study_counts_tokens_where_they_lie(tmp_path, small_lm):
    """Tokens that others wrote, here of the model's own tokenizer, count as their texts do."""
    texts = [f"the red kite eats {food}" for food in ("mice", "fish", "mice", "owls")]
    tokenizer = pretrained.tokenizer(str(small_lm))
    end = tokenizer.eos_token_id or 0
    ids = []
    for text in texts:
        ids += [*tokenizer(text)["input_ids"], end]
    np.array(ids, np.uint16).tofile(tmp_path / "pile.bin")
    study = settings.DistmemPythia(
        corpus="x",
        tokens=str(tmp_path / "pile.bin"),
        end_token=end,
        models=[str(small_lm)],
        tasks={"t": "t.jsonl"},
    )
    corpora.tokenize_study(study, tmp_path / "words", tmp_path / "tokens")
    corpus = ngrams.Corpus.open(tmp_path / "words")
    assert corpus.documents == 4
    counts = ngrams.count_pairs(corpus, [("red kite", "mice"), ("red kite", "eats")])
    assert counts.tolist() == [2, 4]
    assert not list((tmp_path / "words").glob("tokens-*"))


def test_study_needs_models_and_tasks():
    with pytest.raises(ValueError, match="`models` and `tasks` must be given too"):
        settings.DistmemPythia(corpus="x.jsonl")


@pytest.mark.parametrize("number", [-1, 99])
def test_pretrained_model_refuses_numbers_that_are_not_listed(number):
    options = settings.Settings()
    with pytest.raises(InputError, match="--number must lie in 0 to "):
        scoring.score_pretrained(options.pythia, number, pd.DataFrame(), "cpu")


@pytest.fixture(scope="module")
def small_llama(small_lm, tmp_path_factory):
    """A small LLaMA beside the GPT-NeoX, with the same tokenizer."""
    folder = tmp_path_factory.mktemp("llama")
    tokenizer = pretrained.tokenizer(str(small_lm))
    transformer = lm.Transformer("llama", len(tokenizer), 64, 16, 1, 2)
    stack = lm.build(transformer, [np.random.default_rng(1)])
    one = {name: value[0] for name, value in stack.parameters.items()}
    rotary.save(folder, "llama", one, 2, length=64)
    tokenizer.save_pretrained(folder)
    return folder


def test_published_study_in_small(tmp_path, small_lm, small_llama):
    """The forms of its four data sets, tokens in place, two families: every table of a study."""
    sky = [f"the red kite is bird {number} of prey" for number in range(40)]
    tokenizer = pretrained.tokenizer(str(small_lm))
    ids = []
    for text in sky:
        ids += [*tokenizer(text)["input_ids"], tokenizer.eos_token_id]
    np.array(ids, np.uint16).tofile(tmp_path / "pile.bin")
    forms = {
        "trivia_qa": {
            "question": "what is the red kite",
            "question_source": "s",
            "answer": {"value": "bird 3", "aliases": ["bird three"]},
        },
        "mmlu": {
            "question": "the red kite",
            "choices": ["of prey", "of the sea"],
            "answer": 0,
            "subject": "birds",
        },
        "gsm8k": {"question": "the red kite is", "answer": "bird <<1+2=3>>3 of prey\n#### 3"},
        "wmt09": {"translation": {"en": "the red kite", "de": "bird of prey"}},
    }
    for task, row in forms.items():
        (tmp_path / f"{task}.jsonl").write_text(json.dumps(row) + "\n")
    section = {
        "corpus": "the Pile",
        "tokens": str(tmp_path / "pile.bin"),
        "end_token": tokenizer.eos_token_id,
        "models": [str(small_lm), str(small_llama)],
        "tasks": {task: str(tmp_path / f"{task}.jsonl") for task in forms},
    }
    study = settings.DistmemPythia(**section)
    analysis = study.analysis(settings.DistmemAnalysis(infinity_shards=1))
    options = ("--settings", json.dumps(section))
    analysed = ("--settings", analysis.model_dump_json())
    examples, pairs = tmp_path / "examples.parquet", tmp_path / "pairs.parquet"
    words, tokens = ("--words", tmp_path / "words"), ("--tokens", tmp_path / "tokens")
    call("synthesize-examples", "--out", examples, *options)
    call("synthesize-tokens", *words, *tokens, *options)
    call("embed-pairs", *words, "--examples", examples, "--out", pairs, *analysed)
    counts = ("--pairs", pairs, "--out", tmp_path / "counts.parquet")
    call("count-pairs", *words, *counts, *analysed)
    infinity = tmp_path / "infinity.parquet"
    call("count-infinity", *tokens, "--examples", examples, "--out", infinity, *analysed)
    scores = ["--scores", infinity]
    for number in range(2):
        out = tmp_path / f"model{number}.parquet"
        scored = ("--number", number, "--examples", examples, "--out", out)
        call("evaluate-pretrained", *scored, *options)
        scores += ["--scores", out]
    out = tmp_path / "out"
    call("evaluate-memorization", "--corpus", tmp_path, *scores, "--out", out, *analysed)
    frames = {path.stem: tables.read(path) for path in out.glob("*.parquet")}
    assert set(frames) == set(schema.SOURCE_TABLES)
    assert set(frames["performance"]["task"]) == set(forms)
    assert frames["performance"].groupby("task")["model"].nunique().eq(2).all()
    # what is written is judged: by aliases, and as a translation
    assert frames["performance"].set_index("task").loc["wmt09", "bleu"].between(0, 100).all()
    assert frames["performance"].set_index("task").loc["mmlu", "choice_correct"].notna().all()
    whole = tables.read(pairs).query("task == 'trivia_qa'")
    assert set(whole["output_gram"]) == {"bird 3"}
    counted = tables.read(pairs).join(tables.read(tmp_path / "counts.parquet"))
    trivia = counted.query("task == 'trivia_qa' and n == 3")
    assert trivia["second_documents"].tolist() == [sum("bird 3" in t for t in sky)] * len(trivia)
    assert frames["memorization"]["variant"].isin(["shuffled", "gamma"]).any()
    assert not list((tmp_path / "words").glob("tokens-*"))
