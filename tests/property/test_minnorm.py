"""Min-norm and ridge against linear algebra that shares no code with them, and invariants."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rote.core.errors import InputError
from rote.theory import minnorm
from scipy import sparse


@st.composite
def designs(draw, kinds=("gauss", "sparse", "duplicated")):
    """Matrices of any rank: dense, sparse signs with empty columns, or with repeated rows."""
    n, d = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = rng.normal(size=(n, d))
    kind = draw(st.sampled_from(kinds))
    if kind == "sparse":
        X = rng.choice([-1.0, 0.0, 1.0], p=[0.15, 0.7, 0.15], size=(n, d))
    if kind == "duplicated":
        X = X[rng.integers(n, size=n)]
    return X, rng


@given(designs())
def test_min_norm_is_the_pseudo_inverse(design):
    X, rng = design
    y = rng.normal(size=len(X))
    np.testing.assert_allclose(minnorm.fit(X, y), np.linalg.pinv(X, rcond=1e-12) @ y, atol=1e-8)


@given(designs(), st.floats(1e-3, 1e3))
def test_ridge_solves_the_normal_equations(design, lam):
    X, rng = design
    y = rng.normal(size=len(X))
    expected = np.linalg.solve(X.T @ X + lam * np.eye(X.shape[1]), X.T @ y)
    np.testing.assert_allclose(minnorm.fit(X, y, lam), expected, atol=1e-8)


@given(designs(), st.floats(0.1, 10), st.sampled_from([0.0, 0.5]))
def test_fit_follows_permutation_scale_and_rotation(design, scale, lam):
    X, rng = design
    n, d = X.shape
    y = rng.normal(size=n)
    rows, columns = rng.permutation(n), rng.permutation(d)
    fit = minnorm.fit(X, y, lam)
    # order of rows
    np.testing.assert_allclose(minnorm.fit(X[rows], y[rows], lam), fit, atol=1e-8)
    # order of columns
    np.testing.assert_allclose(minnorm.fit(X[:, columns], y, lam), fit[columns], atol=1e-8)
    # scale of the labels, and of the features
    np.testing.assert_allclose(minnorm.fit(X, scale * y, lam), scale * fit, atol=1e-7)
    np.testing.assert_allclose(minnorm.fit(scale * X, y, lam * scale**2), fit / scale, atol=1e-7)
    # rotation of the rows
    Q, _ = np.linalg.qr(rng.normal(size=(n, n)))
    np.testing.assert_allclose(minnorm.fit(Q @ X, Q @ y, lam), fit, atol=1e-7)


@given(designs())
def test_identifiable_means_that_no_null_vector_touches_the_feature(design):
    X, _ = design
    _, root, rightT = np.linalg.svd(X)
    rank = int(np.sum(root > 1e-9 * max(root.max(initial=0), 1e-300)))
    null = rightT[rank:]  # (d - rank, d)
    np.testing.assert_array_equal(minnorm.identifiable(X), (null**2).sum(axis=0) < 1e-8)


@given(designs(kinds=("sparse",)))
def test_identifiable_set_is_what_noiseless_fits_recover(design):
    X, rng = design
    beta = rng.normal(size=X.shape[1])
    recovered = np.abs(minnorm.fit(X, X @ beta) - beta) < 1e-9
    np.testing.assert_array_equal(recovered, minnorm.identifiable(X))


@given(designs(), st.floats(0.01, 10))
def test_hat_diagonal_is_that_of_the_hat_matrix(design, lam):
    X, _ = design
    spectrum = minnorm.factorize(X)
    H = X @ np.linalg.solve(X.T @ X + lam * np.eye(X.shape[1]), X.T)
    np.testing.assert_allclose(minnorm.hat_diagonal(spectrum, lam), np.diag(H), atol=1e-9)
    np.testing.assert_allclose(
        minnorm.hat_diagonal(spectrum), np.diag(X @ np.linalg.pinv(X, rcond=1e-12)), atol=1e-8
    )


@given(designs(kinds=("gauss", "sparse")))
def test_leave_one_out_is_refitting(design):
    X, rng = design
    y = rng.normal(size=len(X))
    refits = []
    for j in range(len(X)):
        others = np.arange(len(X)) != j
        fit = minnorm.fit(X[others], y[others]) if others.any() else np.zeros(X.shape[1])
        refits.append(y[j] - X[j] @ fit)
    spectrum = minnorm.factorize(X)
    # leverage strictly between 1 and "memorized" is a matter of rounding: leave those rows out
    hat = minnorm.hat_diagonal(spectrum)
    clear = (hat < 1 - 1e-5) | (hat > 1 - 1e-12)
    np.testing.assert_allclose(
        minnorm.leave_one_out(spectrum, X, y)[clear], np.array(refits)[clear], atol=1e-5, rtol=1e-5
    )


@settings(max_examples=30)
@given(designs(kinds=("gauss", "sparse")))
def test_descent_in_closed_form_equals_its_steps(design):
    X, rng = design
    y = rng.normal(size=len(X))
    spectrum = minnorm.factorize(X)
    if not len(spectrum.w):
        return
    beta = np.zeros(X.shape[1])
    path = {}
    for step in range(1, 51):
        beta = beta - X.T @ (X @ beta - y) / spectrum.largest
        path[step] = beta
    steps = np.array([1, 2, 7, 50])
    expected = [path[step] for step in steps]
    np.testing.assert_allclose(minnorm.descent(spectrum, y, steps), expected, atol=1e-8)
    np.testing.assert_allclose(
        minnorm.descent(spectrum, y, np.array([10**9]))[0], minnorm.fit(X, y), atol=1e-6
    )


def test_fit_of_a_batch_equals_a_loop():
    rng = np.random.default_rng(0)
    X, y = rng.normal(size=(3, 5, 8)), rng.normal(size=(3, 5))
    lam = np.array([0.0, 1.0])
    batch = minnorm.fit(X, y, lam[:, None])
    assert batch.shape == (2, 3, 8)
    for i, j in np.ndindex(2, 3):
        np.testing.assert_allclose(batch[i, j], minnorm.fit(X[j], y[j], lam[i]), atol=1e-12)
    assert minnorm.fit(X[0], y, 0.5).shape == (3, 8)  # one design, many labels
    assert minnorm.fit(X[0], y[0], lam).shape == (2, 8)  # one design, many penalties
    assert minnorm.identifiable(X).shape == (3, 8)
    np.testing.assert_array_equal(minnorm.identifiable(X)[1], minnorm.identifiable(X[1]))


def test_fit_agrees_on_sparse_and_dense_designs():
    X = np.random.default_rng(1).choice([-1.0, 0, 1], p=[0.1, 0.8, 0.1], size=(30, 20))
    y = X.sum(axis=1) + 1
    dense, from_sparse = (
        minnorm.coefficients(minnorm.factorize(design), y) for design in (X, sparse.csr_array(X))
    )
    np.testing.assert_allclose(from_sparse, dense, atol=1e-10)


def test_fit_solves_ill_conditioned_designs_like_lstsq():
    X = np.vander(np.linspace(0, 1, 40), 10)
    y = np.sin(np.linspace(0, 5, 40))
    np.testing.assert_allclose(minnorm.fit(X, y), np.linalg.lstsq(X, y)[0], rtol=1e-6)


def test_fit_of_a_design_of_zeros_is_zero():
    np.testing.assert_array_equal(minnorm.fit(np.zeros((3, 4)), np.ones(3)), np.zeros(4))
    assert not minnorm.identifiable(np.zeros((3, 4))).any()


@pytest.mark.parametrize(
    ("X", "y", "lam", "message"),
    [
        (np.ones((3, 2)), np.ones(4), 0.0, "must match the 3 rows"),
        (np.ones(3), np.ones(3), 0.0, "shape"),
        (np.ones((0, 2)), np.ones(0), 0.0, "n, d ≥ 1"),
        (np.array([[1.0, np.nan]]), np.ones(1), 0.0, "X holds NaN"),
        (np.ones((1, 2)), np.array([np.inf]), 0.0, "y must be finite"),
        (np.ones((1, 2)), np.ones(1), -1.0, "≥ 0, given -1"),
        (np.ones((1, 2)), np.ones(1), np.nan, "finite"),
        (np.ones((3, 1, 2)), np.ones((2, 1)), 0.0, "batch shapes"),
    ],
)
def test_fit_names_bad_input(X, y, lam, message):
    with pytest.raises(InputError, match=message):
        minnorm.fit(X, y, lam)


@given(designs(kinds=("gauss",)), st.integers(0, 2**32 - 1))
def test_fit_does_not_lose_columns_of_small_scale(design, seed):
    """Scaled columns have the coefficients over the scale, whatever it is (full column rank)."""
    X, rng = design
    n, d = X.shape
    if n < d:
        return
    scale = 10 ** np.random.default_rng(seed).uniform(-15, 15, d)
    y = rng.normal(size=n)
    np.testing.assert_allclose(minnorm.fit(X * scale, y) * scale, minnorm.fit(X, y), rtol=1e-5)


@given(designs(), st.integers(0, 2**32 - 1))
def test_identifiable_does_not_depend_on_scale(design, seed):
    X, _ = design
    scale = 2.0 ** np.random.default_rng(seed).integers(-60, 60, X.shape[1])
    np.testing.assert_array_equal(minnorm.identifiable(X * scale), minnorm.identifiable(X))


@given(st.floats(-9, -1).map(lambda x: 10**x))
def test_nearly_parallel_columns_are_two_as_long_as_they_can_be_told_apart(gap):
    X = np.array([[1.0, 1.0], [1.0, 1.0 + gap]])
    assert minnorm.identifiable(X).all()
    y = X @ [2.0, -3.0]
    residual = X @ minnorm.fit(X, y) - y
    assert np.abs(residual).max() < 1e-13


def test_a_rank_that_rounding_decides_is_refused():
    X = np.array([[1.0, 1.0], [1.0, 1.0 + 1e-14]])
    with pytest.raises(InputError, match="rank of X is not settled"):
        minnorm.fit(X, np.ones(2))


@given(st.integers(0, 2**32 - 1))
def test_large_designs_by_gram_matrices_agree_with_the_svd(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(90, 80))[rng.integers(90, size=90)]
    X[:, 3] *= 10 ** rng.uniform(-12, 0)
    y = rng.normal(size=90)
    scale = np.linalg.norm(X, axis=0)
    expected = np.linalg.lstsq(X, y, rcond=1e-14)[0]
    np.testing.assert_allclose(minnorm.fit(X, y) * scale, expected * scale, atol=1e-6)


@given(designs(kinds=("gauss",)), st.integers(-1000, 1000), st.integers(-450, 450))
def test_any_unit_of_design_and_labels_is_right_or_refused(design, power, of_labels):
    """Powers of two: the same digits."""
    X, rng = design
    y, unit = rng.normal(size=len(X)), 2.0**power
    try:
        fit = minnorm.fit(X * unit, y * 2.0**of_labels)
        known = minnorm.identifiable(X * unit)
    except InputError as error:
        assert not 1e-140 < unit < 1e140
        assert "1e150" in str(error)  # noqa: PT017
        return
    expected = minnorm.fit(X, y)
    np.testing.assert_allclose(fit * (unit / 2.0**of_labels), expected, rtol=1e-7, atol=1e-12)
    np.testing.assert_array_equal(known, minnorm.identifiable(X))


def test_a_column_too_small_to_be_squared_is_refused():
    X = np.array([[1.0, 1e-170], [0.0, 1e-170], [1.0, 0.0]])
    for function in (minnorm.factorize, minnorm.identifiable, lambda X: minnorm.fit(X, X[:, 0])):
        with pytest.raises(InputError, match="column 1 has 1e-170"):
            function(X)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(8, 48),
    st.integers(8, 48),
    st.floats(0, 6),
    st.integers(-6, 6),
    st.integers(0, 10**6),
)
def test_small_designs_of_any_condition_are_those_of_lapack(n, d, spread, unit, seed):
    """Whether by a Gram matrix or not: the same rank, singular values and coefficients."""
    rng = np.random.default_rng(seed)
    rank = int(rng.integers(1, min(n, d) + 1))
    left, right = (np.linalg.qr(rng.normal(size=(size, rank)))[0] for size in (n, d))
    root = 10.0 ** (unit - spread * rng.random(rank))
    X, y = (left * root) @ right.T, left @ rng.normal(size=rank)
    spectrum = minnorm.factorize(X)
    assert len(spectrum.w) == rank
    np.testing.assert_allclose(np.sort(spectrum.w), np.sort(root**2), rtol=1e-8)
    expected = right @ ((left.T @ y) / root)
    np.testing.assert_allclose(minnorm.fit(X, y), expected, atol=1e-7 * np.linalg.norm(expected))
