"""Triples of long-tail composition: frequencies, slots, and test sets without leakage."""

import numpy as np
import pytest
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.data import images as data
from rote.synth import triples


@pytest.fixture(scope="module")
def bank():
    labels = np.concatenate([data.digits().labels, np.random.default_rng(0).permutation(10)])
    return triples.split(labels, 1797, np.arange(1797, 1807), 50, generator(0, "bank"))


def test_training_digits_are_zipf_and_never_nine(bank):
    rows = triples.base(bank, 20_000, 2.0, generator(1, "base"))
    counts = np.bincount(bank.labels[rows].ravel(), minlength=10)
    expected = np.arange(1, 10) ** -2.0
    expected *= counts.sum() / expected.sum()
    assert counts[9] == 0
    assert np.abs((counts[:9] - expected) / np.sqrt(expected)).max() < 5


@pytest.mark.parametrize("count", [0, 1, 16, 128, 200])
def test_nines_are_distinct_and_one_per_triple(bank, count):
    rows = triples.with_nines(
        triples.base(bank, 300, 2.0, generator(1, "b")), bank, count, generator(2, "n")
    )
    is_nine = bank.labels[rows] == 9
    assert (is_nine.sum(axis=1) == (np.arange(300) < count)).all()
    images, uses = np.unique(rows[is_nine], return_counts=True)
    assert len(images) == min(count, len(bank.pool[9]))
    assert uses.max(initial=1) <= -(-count // len(bank.pool[9])) or count == 0


@pytest.mark.parametrize(
    ("companions", "digits"),
    [(triples.HEAD, {0, 1}), (triples.ZIPF, set(range(9))), (triples.TAIL, {7, 8})],
)
def test_glyphs_are_in_exactly_one_training_triple_in_their_slot(bank, companions, digits):
    base = triples.base(bank, 100, 2.0, generator(1, "b"))
    rows = triples.with_glyphs(base, bank, companions, 2.0, generator(3, "g"))
    assert rows.shape == base.shape
    for glyph, slot in zip(bank.glyphs, bank.slots, strict=True):
        positions = np.argwhere(rows == glyph)
        assert positions[:, 1].tolist() == [slot]
    others = bank.labels[rows[-10:]][rows[-10:] < 1797]
    assert set(others.tolist()) <= digits


def test_test_sets_are_what_they_say_and_leak_nothing(bank):
    base = triples.base(bank, 400, 2.0, generator(1, "b"))
    with_nines = triples.with_nines(base, bank, 30, generator(2, "n"))
    train = triples.with_glyphs(with_nines, bank, triples.HEAD, 2.0, generator(3, "g"))
    tests = triples.tests(bank, 500, 2.0, generator(4, "t"))
    pairs = triples.trained_pairs(train, bank, 500, generator(5, "p"))
    triples.check(bank, train, tests | {triples.TWO_TRAINED_NINES.name: pairs})
    for nines, count in ((triples.ONE_NINE, 1), (triples.TWO_NINES, 2), (triples.THREE_NINES, 3)):
        assert ((bank.labels[tests[nines.name]] == 9).sum(axis=1) == count).all()
    is_glyph = {name: np.isin(rows, bank.glyphs) for name, rows in tests.items()}
    any_slot = triples.TWO_GLYPHS.name
    trained_slots = triples.TWO_GLYPHS_TRAINED_SLOTS.name
    single = triples.ONE_GLYPH_TRAINED_SLOT.name
    for name, count in ((any_slot, 2), (trained_slots, 2), (single, 1)):
        assert (is_glyph[name].sum(axis=1) == count).all()
    for name in (trained_slots, single):
        row, slot = np.nonzero(is_glyph[name])
        glyph = tests[name][row, slot] - bank.glyphs[0]
        np.testing.assert_array_equal(bank.slots[glyph], slot)
    both = tests[any_slot][is_glyph[any_slot]].reshape(-1, 2)
    assert (both[:, 0] != both[:, 1]).all()
    trained = np.intersect1d(train, bank.pool[9])
    assert (np.isin(pairs, trained).sum(axis=1) == 2).all()


def test_test_sets_refuse_leakage(bank):
    base = triples.base(bank, 50, 2.0, generator(1, "b"))
    tests = triples.tests(bank, 20, 2.0, generator(4, "t"))
    with_held_out = base.copy()
    with_held_out[0, 0] = bank.held_out[0][0]
    with pytest.raises(AssertionError, match="held-out"):
        triples.check(bank, with_held_out, tests)
    with pytest.raises(AssertionError, match="in-distribution holds training images"):
        triples.check(bank, base, tests | {triples.IN_DISTRIBUTION.name: base})
    trained = base.copy()
    trained[:, :] = bank.glyphs[:3]
    with pytest.raises(AssertionError, match="two-glyphs-any-slot holds a training triple"):
        triples.check(bank, trained, tests | {triples.TWO_GLYPHS.name: trained[:1]})


def test_test_sets_hold_training_images_only_where_nines_are_trained(bank):
    train = triples.with_nines(
        triples.base(bank, 50, 2.0, generator(1, "b")), bank, 9, generator(2, "n")
    )
    pairs = triples.trained_pairs(train, bank, 20, generator(5, "p"))
    triples.check(bank, train, {triples.TWO_TRAINED_NINES.name: pairs})
    with pytest.raises(AssertionError, match="two-nines holds training images"):
        triples.check(bank, train, {triples.TWO_NINES.name: pairs})


def test_trained_pairs_need_two_different_nines(bank):
    base = triples.base(bank, 50, 2.0, generator(1, "b"))
    assert triples.trained_pairs(base, bank, 10, generator(0, "p")) is None
    one, two = (triples.with_nines(base, bank, n, generator(2, "n")) for n in (1, 2))
    assert triples.trained_pairs(one, bank, 10, generator(0, "p")) is None
    pairs = triples.trained_pairs(two, bank, 10, generator(0, "p"))
    trained = set(two[bank.labels[two] == 9])
    assert all(set(row[bank.labels[row] == 9]) == trained for row in pairs)


def test_synthesis_refuses_too_few_images_and_glyphs_in_one_slot(bank):
    with pytest.raises(
        InputError, match=r"held_out is 174, but the data set has 174 images of digit 8"
    ):
        triples.split(bank.labels, 1797, bank.glyphs, 174, generator(0, "bank"))

    class OneSlot(np.random.Generator):
        def integers(self, *args, size=None, **options):
            return np.zeros(size, int)

    with pytest.raises(InputError, match="all 10 glyphs drew slot 0"):
        triples.split(bank.labels, 1797, bank.glyphs, 50, OneSlot(np.random.PCG64(0)))


def test_glyphs_are_distinct_strokes():
    glyphs = triples.draw_glyphs(triples.Sheet(8, 16), generator(0, "glyphs"))
    assert set(np.unique(glyphs)) == {0, 16}
    ink = (glyphs > 0).sum(axis=(1, 2))
    assert ((ink >= 2) & (ink <= 18)).all()


@pytest.mark.parametrize(("side", "margin"), [(14, 1 / 7), (28, 1 / 7), (28, 0.0), (64, 0.0)])
def test_glyphs_have_the_same_proportions_at_every_size(side, margin):
    """Their ink is the same share of what lies within the margins; nothing lies outside."""
    small = triples.draw_glyphs(triples.Sheet(8, 255), generator(0, "glyphs"))
    large = triples.draw_glyphs(triples.Sheet(side, 255, margin), generator(0, "glyphs"))
    edge = round(side * margin)
    inner = large[:, edge : side - edge, edge : side - edge]
    shares = [glyphs.mean((1, 2)) for glyphs in (small, inner)]
    np.testing.assert_allclose(*shares, atol=1)
    assert inner.sum() == large.sum()


def test_glyphs_refuse_sheets_without_room():
    with pytest.raises(InputError, match="do not fit on 6 pixels"):
        triples.draw_glyphs(triples.Sheet(8, 16, 1 / 7), generator(0, "glyphs"))


def test_ten_digit_law_gives_the_published_counts():
    """40,000 triples at exponent 2: 77,435 zeros and 955 eights are published."""
    digits = triples.zipf_digits(40_000, 2.0, generator(0, "ten"), 10)
    zeros, eights = (digits == 0).sum(), (digits == 8).sum()
    assert abs(zeros - 77_435) < 4 * np.sqrt(77_435 * 0.36)
    assert abs(eights - 955) < 4 * np.sqrt(955)


def test_wrong_labels_are_other_labels():
    labels = np.arange(10)
    for wrong in (0, 2, 10):
        shift = triples.mislabelled(labels, wrong, generator(0, "wrong", wrong))
        assert (shift != 0).sum() == wrong
        assert ((labels + shift >= 0) & (labels + shift <= 9)).all()


def test_images_are_averaged_over_squares():
    scans = data.digits()
    small = data.averaged(scans, 2)
    assert small.pixels.shape == (1797, 4, 4)
    by_hand = scans.pixels[5, 2:4, 6:8].astype(float).mean().round()
    assert small.pixels[5, 1, 3] == by_hand
    np.testing.assert_array_equal(data.averaged(scans, 1).pixels, scans.pixels)
    for block in (0, 3):
        with pytest.raises(InputError, match="block must divide the side"):
            data.averaged(scans, block)
