"""Data pruning: schemes by hand, invariances, edge cases, the command."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT, run
from hypothesis import given, settings
from hypothesis import strategies as st
from rote import prune
from rote.core.errors import InputError
from rote.prune.offline import MIN_KNOWN_SHARE

LOSSES = np.array([4.0, 0.1, 3.0, 0.2, 6.0, 5.0])
COUNTS = np.array([2, 9, 3, 5, 1, 0])


def test_schemes_agree_with_examples_by_hand():
    def select(scheme, keep=0.4):
        return prune.select(LOSSES, keep, scheme=scheme, counts=COUNTS).tolist()

    assert select("none") == COUNTS.tolist()
    assert select("loss") == [0, 9, 0, 5, 0, 0]  # two of the five examples that occur
    assert select("loss-flat") == [0, 4, 0, 4, 0, 0]  # at most 8 of 20 copies
    assert sum(copies > 0 for copies in select("random")) == 2
    assert select("loss", 1.0) == COUNTS.tolist()
    assert select("loss", 0.01) == [0, 9, 0, 0, 0, 0]  # one example at least


tables = st.integers(1, 30).flatmap(
    lambda n: st.tuples(
        st.lists(st.floats(0, 20), min_size=n, max_size=n),
        st.lists(st.integers(0, 9), min_size=n, max_size=n).filter(any),
    )
)


@settings(max_examples=80, deadline=None)
@given(
    table=tables,
    keep=st.floats(0.01, 1),
    scheme=st.sampled_from(list(prune.OFFLINE)),
    seed=st.integers(0, 9),
)
def test_selections_are_within_bounds(table, keep, scheme, seed):
    losses, counts = (np.array(column) for column in table)
    remaining = prune.select(
        losses, keep, scheme=scheme, counts=counts, rng=np.random.default_rng(seed)
    )
    again = prune.select(
        losses, keep, scheme=scheme, counts=counts, rng=np.random.default_rng(seed)
    )
    np.testing.assert_array_equal(remaining, again)
    assert (remaining >= 0).all()
    assert (remaining <= counts).all()
    assert remaining.sum() >= 1
    if scheme != "none":
        assert (remaining > 0).sum() == max(1, round(keep * (counts > 0).sum()))
    if scheme in ("loss", "loss-flat") and (remaining > 0).sum() < (counts > 0).sum():
        assert losses[remaining > 0].max() <= losses[(remaining == 0) & (counts > 0)].min()
    if scheme == "loss-flat":
        assert remaining.sum() <= max(keep * counts.sum(), (remaining > 0).sum())
        assert len(set(remaining[(remaining > 0) & (remaining < counts)])) <= 1  # one cap


def test_selection_decides_by_chance_among_equal_losses():
    remaining = [
        prune.select(np.ones(50), 0.3, scheme="loss", rng=np.random.default_rng(seed))
        for seed in (0, 0, 1)
    ]
    assert remaining[0].sum() == 15
    np.testing.assert_array_equal(remaining[0], remaining[1])
    assert (remaining[0] != remaining[2]).any()


def test_automatic_counts_what_was_stored():
    H = 9.0
    losses = np.r_[np.full(30, 0.0), np.full(70, H)]  # thirty facts whole
    assert prune.automatic(losses, ignorance=H) == 30
    assert prune.automatic(np.full(100, 0.7 * H), ignorance=H) == 30  # the same, spread over all
    assert prune.automatic(losses) == 30  # ignorance from the losses themselves
    assert prune.automatic(np.full(100, H), ignorance=H) == 1
    assert prune.automatic(losses, counts=np.r_[np.ones(30), np.zeros(70)], ignorance=H) == 30


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    values=st.integers(30, 2000),
    confidence=st.floats(0, 30),
    known=st.integers(50, 400),
    guessed=st.integers(0, 700),
    is_given=st.booleans(),
)
def test_automatic_counts_no_guess(seed, values, confidence, known, guessed, is_given):
    """Guesses are softmaxes of random logits, of which truth knows nothing, however confident."""
    rng = np.random.default_rng(seed)
    logits = confidence * rng.normal(size=(guessed, values))
    guesses = np.logaddexp.reduce(logits, axis=1) - logits[:, 0]
    losses = np.r_[rng.uniform(0, 0.05, known), guesses]
    ignorance = np.log(values) if is_given else None
    right = (guesses < 0.5).sum()  # by chance, one of `values`
    number = prune.automatic(losses, ignorance=ignorance)
    fewest = known + right + 1
    assert number <= fewest + (1 - MIN_KNOWN_SHARE) * (known + guessed)
    assert number >= 0.95 * known or number >= 0.95 * len(losses)


@given(seed=st.integers(0, 2**32 - 1), share=st.floats(0.1, 0.9), entropy=st.floats(4, 20))
def test_automatic_counts_what_is_stored_in_parts(seed, share, entropy):
    """Where every example is known in part, up to noise of the same mean."""
    rng = np.random.default_rng(seed)
    losses = (1 - share) * entropy + rng.uniform(-0.2, 0.2, 2000)
    if losses.min() > 0.5:
        number = prune.automatic(losses, ignorance=entropy)
        assert number == pytest.approx(2000 * share, abs=5)


def test_automatic_keeps_everything_where_everything_fits():
    assert prune.automatic(np.full(1000, 0.3), ignorance=9.0) == 1000
    assert prune.automatic(np.zeros(5)) == 5
    frame = pd.DataFrame({"id": range(100), "loss": np.full(100, 0.01)})
    assert len(prune.table(frame, None, scheme="loss")) == 100


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: prune.select(LOSSES, 0.0, scheme="loss"), r"keep must be in \(0, 1\], given 0"),
        (lambda: prune.select(LOSSES, 1.5, scheme="loss"), r"keep must be in \(0, 1\], given 1\.5"),
        (
            lambda: prune.select(LOSSES, 0.5, scheme="best"),
            "scheme must be one of none, random, loss, loss-flat",
        ),
        (
            lambda: prune.select([1, np.nan, 2, np.inf], 0.5, scheme="loss"),
            "examples 1, 3 are not finite",
        ),
        (lambda: prune.select([], 0.5, scheme="loss"), "at least one entry"),
        (
            lambda: prune.select(LOSSES, 0.5, scheme="loss", counts=[1, 2]),
            "counts must have the shape",
        ),
        (lambda: prune.select(LOSSES, 0.5, scheme="loss", counts=-COUNTS), "whole numbers ≥ 0"),
        (lambda: prune.select(LOSSES, 0.5, scheme="loss", counts=0 * COUNTS), "not all 0"),
        (
            lambda: prune.select(LOSSES, 0.5, scheme="loss-flat", counts=COUNTS * 1e300),
            r"counts must be .* of at most 2\^53 in sum",
        ),
        (lambda: prune.automatic(LOSSES, counts=np.full(6, 2**52)), r"of at most 2\^53 in sum"),
        (
            lambda: prune.table(pd.DataFrame([[1, 2.0]]), 1.0, scheme="loss"),
            "lacks the columns id, loss; it has 0, 1",
        ),
        (
            lambda: prune.table(
                pd.DataFrame([[1, 2.0, 3.0]], columns=["id", "loss", "loss"]), 1.0, scheme="loss"
            ),
            "losses has columns of one name: loss",
        ),
        (lambda: prune.automatic(LOSSES, ignorance=-1.0), "ignorance must be finite"),
        (lambda: prune.automatic(LOSSES, ignorance=np.nan), "ignorance must be finite"),
        (lambda: prune.automatic(-LOSSES), "losses must be ≥ 0 nats, given -6"),
        (
            lambda: prune.table(pd.DataFrame({"id": [1]}), 1.0, scheme="loss", where="t.csv"),
            "t.csv lacks the columns loss",
        ),
        (
            lambda: prune.table(pd.DataFrame({"id": [], "loss": []}), 1.0, scheme="loss"),
            "has no rows",
        ),
        (
            lambda: prune.table(
                pd.DataFrame({"id": list("abab"), "loss": 1.0}), 1.0, scheme="loss"
            ),
            "2 ids occur twice: a, b",
        ),
        (
            lambda: prune.table(
                pd.DataFrame({"id": list("ab"), "loss": [1.0, np.nan]}), 1.0, scheme="loss"
            ),
            "not a finite number for the ids b",
        ),
        (
            lambda: prune.table(
                pd.DataFrame({"id": list("ab"), "loss": [1, 2], "count": ["x", 1]}),
                1.0,
                scheme="loss",
            ),
            "counts must be whole numbers",
        ),
        (
            lambda: prune.table(
                pd.DataFrame({"id": list("ab"), "loss": 1.0}), 0.5, scheme="loss-flat"
            ),
            "has no column count; scheme loss-flat caps copies",
        ),
        (
            lambda: prune.with_chance(pd.DataFrame({"id": [1], "loss": [1.0]}), 0.0),
            r"chance must be in \(0, 1\]",
        ),
        (
            lambda: prune.with_chance(pd.DataFrame({"id": [1], "entropy": [2.0]}), 0.5),
            "has a column entropy; leave chance away",
        ),
        (lambda: prune.automatic(LOSSES, ignorance=[1.0, 2.0]), "one number or of shape"),
    ],
)
def test_prune_refuses_bad_arguments(call, message):
    with pytest.raises(InputError, match=message):
        call()


def test_automatic_takes_the_entropy_of_each_example():
    losses = np.r_[np.zeros(30), np.full(70, 9.0)]
    entropies = np.r_[np.full(30, 4.0), np.full(70, 9.0)]
    assert prune.automatic(losses, ignorance=entropies) == 30
    assert prune.automatic(losses, ignorance=np.full(100, 9.0)) == 30
    # forty nats in each of two halves: of the low ones ten fit
    assert (
        prune.automatic(
            np.r_[np.full(20, 2.0), np.full(10, 5.0)],
            ignorance=np.r_[np.full(20, 4.0), np.full(10, 9.0)],
        )
        == 20
    )


def test_chance_level_gives_the_entropy_of_a_table():
    frame = pd.DataFrame({"id": range(100), "loss": np.full(100, 0.7 * np.log(1e4))})
    assert len(prune.table(frame, None, scheme="loss")) == 1  # nothing is known for certain
    assert len(prune.table(prune.with_chance(frame, 1e-4), None, scheme="loss")) == 30
    given = frame.assign(entropy=np.log(1e4))
    assert len(prune.table(given, None, scheme="loss")) == 30


def test_every_row_says_why_it_is_kept_or_dropped():
    frame = pd.DataFrame({"id": list("abcdef"), "loss": LOSSES, "count": COUNTS})
    rows = prune.explained(frame, 0.4, scheme="loss-flat").set_index("id")
    assert rows["kept"].tolist() == [False, True, False, True, False, False]
    assert rows["copies"].tolist() == COUNTS.tolist()
    assert rows.loc["b", "reason"] == "kept: its loss is among the lowest, 4 of 9 copies"
    assert rows.loc["a", "reason"] == "dropped: its loss is above those kept"
    assert rows.loc["f", "reason"] == "dropped: it has no copies"
    once = prune.table(frame, 0.4, scheme="loss", each_once=True)
    assert once["count"].tolist() == [1, 1]
    equal = prune.explained(frame.assign(loss=1.0), 0.4, scheme="loss")
    assert (equal["reason"] == "dropped: chance decided among equal losses").sum() == 3
    random = prune.explained(frame, 0.4, scheme="random")
    assert set(random["reason"]) == {
        "kept: chosen at random",
        "dropped: not chosen at random",
        "dropped: it has no copies",
    }


def jaccard(a: str, b: str) -> float:
    words = [text.split() for text in (a, b)]
    one, other = (set(zip(of, of[1:], of[2:], strict=False)) for of in words)
    return len(one & other) / len(one | other)


def test_near_duplicates_are_those_whose_runs_of_words_overlap():
    rng = np.random.default_rng(0)
    texts = [" ".join(rng.choice(list("abcdefghij"), 40)) for _ in range(60)]
    for row in range(0, 60, 3):  # one word changed, many changed, other case and marks
        words = texts[row].split()
        texts.append(" ".join([*words[:-1], "x"]))
        texts.append(" ".join([*words[:10], *["y"] * 30]))
        texts.append(texts[row].upper() + "!")
    repeats = prune.near_duplicates(texts)
    for row, text in enumerate(texts):
        plain = text.lower().rstrip("!")
        others = [jaccard(plain, other.lower().rstrip("!")) >= 0.8 for other in texts[:row]]
        expected = others.index(True) if any(others) else row
        assert repeats[row] == expected
    assert prune.near_duplicates(["A b", "a  B.", "c"]) == [0, 0, 2]
    with pytest.raises(InputError, match="overlap must be in"):
        prune.near_duplicates(texts, 0.0)


def test_prune_command_prunes_a_table(tmp_path):
    frame = pd.DataFrame(
        {
            "id": [f"doc{i}" for i in range(6)],
            "loss": LOSSES,
            "count": COUNTS,
            "text": list("uvwxyz"),
        }
    )
    frame.to_parquet(tmp_path / "losses.parquet")
    frame.to_csv(tmp_path / "losses.csv", index=False)
    for source in ("losses.parquet", "losses.csv"):
        out = tmp_path / f"kept-{source}.parquet"
        run(
            ROOT,
            "rote",
            "prune",
            "--losses",
            str(tmp_path / source),
            "--keep",
            "0.4",
            "--out",
            str(out),
        )
        remaining = pd.read_parquet(out)
        assert remaining["id"].tolist() == ["doc1", "doc3"]
        assert remaining["count"].tolist() == [9, 5]
        assert remaining["text"].tolist() == ["v", "x"]
    explained = tmp_path / "reasons.csv"
    options = ("--reasons", str(explained), "--each-once", "--chance", "0.001")
    files = ("--losses", str(tmp_path / "losses.csv"), "--out", str(tmp_path / "kept.csv"))
    run(ROOT, "rote", "prune", *files, *options)
    assert pd.read_csv(tmp_path / "kept.csv")["count"].eq(1).all()
    reasons = pd.read_csv(explained)
    assert len(reasons) == 6
    assert reasons["reason"].str.match("kept: |dropped: ").all()
    (tmp_path / "bad.csv").write_bytes(b"id,loss\n\xff\xfe,1\n")
    for source, message in (
        ("bad.csv", "cannot be read as a table"),
        ("none.parquet", "does not exist"),
    ):
        done = run(
            ROOT,
            "rote",
            "prune",
            "--losses",
            str(tmp_path / source),
            "--out",
            str(tmp_path / "no.parquet"),
            check=False,
        )
        assert done.returncode == 1
        assert message in done.stderr
        assert "Traceback" not in done.stderr
        assert not (tmp_path / "no.parquet").exists()
