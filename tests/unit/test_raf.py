"""Rules and facts at finite size: solvers, data, real images, networks, statistics."""

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import ValidationError
from rote.core import tables
from rote.core.errors import InputError
from rote.core.seeds import generator
from rote.data import images as data
from rote.papers import raf as paper
from rote.papers.raf import (
    curves,
    experiments,
    real,
    schema,
    settings,
    solvers,
    theory_claims,
    two_layer,
)
from rote.papers.raf.simulation import (
    KernelModel,
    RafProblem,
    RandomFeatures,
    TrueKernel,
    angle,
)
from rote.run import config
from rote.synth import rules_facts
from scipy import optimize
from scipy.spatial.distance import cdist
from sklearn.svm import SVC, LinearSVC


def sample(alpha=3.0, eps=0.2, d=40, seed=0, **options):
    return rules_facts.draw(alpha, eps, d, generator(seed, "test raf"), **options)


def test_training_sets_have_the_stated_facts_and_labels():
    s = sample(alpha=5, d=200)
    assert len(s.y) == 1000
    assert s.facts.sum() == 200
    assert np.linalg.norm(s.teacher) == pytest.approx(np.sqrt(200))
    rule = rules_facts.sign(s.X @ s.teacher)
    np.testing.assert_array_equal(s.y[~s.facts], rule[~s.facts])
    assert abs((s.y[s.facts] == rule[s.facts]).mean() - 0.5) < 5 * 0.5 / np.sqrt(200)
    np.testing.assert_allclose((sample(sphere=True).X ** 2).sum(1), 40)
    assert rules_facts.sign(np.array([0.0, -0.0, -1.0])).tolist() == [1, 1, -1]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ((3.0, 0.2, 1), "d must be at least 2"),
        ((-1.0, 0.2, 10), "alpha must be finite and > 0"),
        ((3.0, 1.2, 10), r"eps must be in \[0, 1\]"),
        ((0.01, 0.2, 10), "rounds to no training example"),
        ((1.0, 0.01, 10), "rounds to no fact"),
    ],
)
def test_draw_refuses_bad_arguments(arguments, expected):
    with pytest.raises(InputError, match=expected):
        rules_facts.draw(*arguments, generator(0, "x"))


def test_ridge_is_the_normal_equations_for_tall_wide_and_many_penalties():
    rng = np.random.default_rng(0)
    for shape in ((30, 8), (8, 30)):
        B, y = rng.normal(size=shape), rng.normal(size=shape[0])
        lams = np.array([0.1, 2.0])
        for lam, w in zip(lams, solvers.ridge(B, y, lams), strict=True):
            expected = np.linalg.solve(B.T @ B + lam * np.eye(shape[1]), B.T @ y)
            np.testing.assert_allclose(w, expected, atol=1e-10)
            np.testing.assert_allclose(solvers.ridge(B, y, lam), expected, atol=1e-10)


@pytest.mark.parametrize("lam", [0.1, 1.0])
def test_hinge_agrees_with_liblinear(lam):
    s = sample()
    B = s.X * s.y[:, None] / np.sqrt(40)
    w = solvers.hinge(B, lam)
    svc = LinearSVC(loss="hinge", C=1 / lam, fit_intercept=False, tol=1e-10, max_iter=2_000_000)
    np.testing.assert_allclose(w, svc.fit(s.X / np.sqrt(40), s.y).coef_[0], atol=2e-4)

    def value(w):
        return np.maximum(0, 1 - B @ w).sum() + lam / 2 * w @ w

    assert value(w) <= value(svc.coef_[0]) + 1e-6


@given(
    st.integers(1, 12),
    st.integers(1, 6),
    st.sampled_from(["normal", "signs", "few values", "twice"]),
    st.floats(-4, 1.5),
    st.integers(0, 999),
)
@example(11, 6, "twice", -3.0, 400)
@example(10, 3, "twice", -2.536642338960372, 974)
def test_hinge_has_no_duality_gap_also_where_rows_repeat(n, d, kind, log_lam, seed):
    rng = np.random.default_rng(seed)
    lam = 10**log_lam
    B = {
        "normal": lambda: rng.normal(size=(n, d)),
        "signs": lambda: rng.choice([-1.0, 1.0], size=(n, d)),
        "few values": lambda: rng.integers(-1, 2, size=(n, d)).astype(float),
        "twice": lambda: np.repeat(rng.normal(size=(n, d)), 2, axis=0),
    }[kind]()
    w = solvers.hinge(B, lam)
    gap = 1 - B @ w
    value = np.maximum(0, gap).sum() + lam / 2 * w @ w
    kink = np.abs(gap) < 1e-6 * (1 + np.abs(gap).max())
    force = (gap > 0).astype(float)
    if kink.any():  # there, any force in [0, 1]: those that balance λw
        rest = lam * w - B[~kink & (gap > 0)].sum(0)
        force[kink] = optimize.lsq_linear(B[kink].T, rest, (0, 1), method="bvls", tol=1e-14).x
    # whatever the forces: no w lies below
    bound = force.sum() - np.sum((B.T @ force) ** 2) / (2 * lam)
    assert value - bound < 1e-7 * (1 + value)


@pytest.mark.parametrize(("lam", "v_star"), [(0.1, 0.5), (1.0, 0.36), (1e-4, 3600.0)])
def test_huberized_hinge_is_minimized(lam, v_star):
    s = sample()
    B = s.X * s.y[:, None] / np.sqrt(40)

    def value(w):
        gap = 1 - B @ w
        huber = np.where(gap >= v_star, gap - v_star / 2, np.maximum(gap, 0) ** 2 / (2 * v_star))
        return huber.sum() + lam / 2 * w @ w, lam * w - B.T @ np.clip(gap / v_star, 0, 1)

    generic = optimize.minimize(
        value, np.zeros(40), jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-15}
    )
    w = solvers.huberized(B, lam, v_star)
    assert value(w)[0] <= generic.fun + 1e-9
    assert np.abs(value(w)[1]).max() < 1e-8


def test_logistic_is_minimized():
    s = sample()
    B = s.X * s.y[:, None] / np.sqrt(40)
    w = solvers.logistic(B, 0.05)
    assert np.abs(0.05 * w - B.T @ (1 / (1 + np.exp(B @ w)))).max() < 1e-8


@pytest.mark.parametrize("box", [0.5, 5.0, 1e4])
def test_box_qp_satisfies_kkt(box):
    rng = np.random.default_rng(1)
    A = rng.normal(size=(40, 60))
    Q = A @ A.T / 60 + 0.2 * np.eye(40)
    for a in (solvers.box_qp(Q, box), solvers._projected_gradient(Q, box, np.zeros(40))):
        gradient = Q @ a - 1
        assert (a >= 0).all()
        assert (a <= box).all()
        assert np.abs(gradient[(a > 1e-9) & (a < box - 1e-9)]).max(initial=0) < 1e-7
        assert (gradient[a <= 1e-9] > -1e-7).all()
        assert (gradient[a >= box - 1e-9] < 1e-7).all()


def test_newton_in_d_dimensions_is_the_quadratic_program_in_n():
    """A hinge kernel machine is a linear machine with a Huberized hinge on the same data."""
    kernel, lam, d = experiments.KERNEL, 0.5, 40
    for replicate in range(3):
        s = rules_facts.draw(3.0, 0.2, d, generator(3, "reduction", replicate))
        K = kernel.mu1**2 * s.X @ s.X.T / d + kernel.mustar**2 * np.eye(len(s.X))
        a = solvers.box_qp(K * np.outer(s.y, s.y), 1 / lam)
        w = s.X.T @ (a * s.y)
        e_gen = kernel.errors("hinge", lam, s).e_gen
        assert abs(e_gen - angle(w, s.teacher)) < 1e-10


def test_every_point_of_the_theory_curves_converges():
    points = curves.curves(settings.RafTheory(**settings.RafTheory.SCALES["smoke"]))
    assert points["converged"].all()


@pytest.mark.parametrize(
    ("loss", "learner"),
    [
        ("square", KernelModel()),
        ("hinge", KernelModel(0.8, 0.6)),
        ("hinge", KernelModel()),
        ("square", RandomFeatures(1.5)),
        ("square", TrueKernel("erf")),
    ],
)
def test_simulation_meets_theory(loss, learner):
    """Thirty fresh training sets: within four standard errors and the finite-size slack."""
    problem = RafProblem(loss, 2.0, 0.2, 0.5, 150)
    errors = [
        paper.simulate(learner, problem, generator(5, "meets", loss, learner.label, i))
        for i in range(30)
    ]
    theory = learner.theory(problem)
    for name, slack in (("e_gen", 0.006), ("e_mem", 0.01)):
        values = np.array([getattr(error, name) for error in errors])
        allowed = 4 * values.std(ddof=1) / np.sqrt(30) + slack
        assert abs(values.mean() - getattr(theory, name)) < allowed


def test_memory_is_undefined_without_facts():
    problem = RafProblem("square", 2.0, 0.0, 1.0, 30)
    assert np.isnan(paper.simulate(KernelModel(), problem, generator(0, "none")).e_mem)


@pytest.mark.parametrize(
    ("loss", "lam", "learner", "expected"),
    [
        ("square", 0.0, KernelModel(), "data that can be interpolated: 60 samples"),
        ("hinge", -1.0, KernelModel(), "lam must be ≥ 0, given -1"),
        ("logistic", 0.0, KernelModel(), "lam must be > 0 for the logistic loss"),
        ("huber", 1.0, KernelModel(), "loss must be square or hinge or logistic .*, given 'huber'"),
        ("logistic", 1.0, KernelModel(0.8, 0.6), "square or hinge for mustar > 0"),
        ("logistic", 1.0, TrueKernel("erf"), "square or hinge for a kernel"),
        ("logistic", 1.0, RandomFeatures(2.0), "square or hinge for random features"),
        ("square", 1.0, RandomFeatures(0.01), "rounds to no feature"),
    ],
)
def test_simulations_refuse_what_they_cannot_train(loss, lam, learner, expected):
    with pytest.raises(InputError, match=expected):
        paper.simulate(learner, RafProblem(loss, 2.0, 0.1, lam, 30), generator(0, "x"))


def test_kernels_refuse_unknown_names():
    with pytest.raises(InputError, match="kernel must be one of erf"):
        TrueKernel("cosine")


def test_separability_agrees_with_construction():
    s = sample(alpha=4, eps=0.0, d=20)
    B = s.X * s.y[:, None]
    assert experiments.separates(B)
    assert not experiments.separates(np.concatenate([B, -B[:1]]))


@pytest.mark.parametrize(
    "name", ["theory", "simulation", "universality", "separability", "real", "two_layer"]
)
def test_verbs_make_their_tables(name):
    small = config.load(ROOT / "config/smoke.yaml").raf
    experiment = {
        "theory": lambda: {
            "curves": curves.curves(small.theory),
            "checks": theory_claims.checks(small.theory),
        },
        "simulation": lambda: {"simulations": experiments.verify(small.simulation, 0.1, 1)},
        "universality": lambda: {"universality": experiments.universality(small.universality, 1)},
        "separability": lambda: {"separability": experiments.separability(small.separability, 1)},
        "real": lambda: dict(
            zip(("real", "real_images", "real_svm"), real.sweep(small.real, 1), strict=True)
        ),
        "two_layer": lambda: {"two_layer": two_layer.sweep(small.two_layer, 1)},
    }[name]
    for table, frame in experiment().items():
        tables.check(frame, schema.TABLES[table])


def test_separability_is_nested_over_alpha():
    table = experiments.separability(
        settings.RafSeparability(d=15, replicates=6, alphas=[1.0, 2.0, 4.0, 8.0]), 2
    )
    wide = (
        table.astype({"separable": int})
        .pivot(index="replicate", columns="alpha", values="separable")
        .to_numpy()
    )
    assert (np.diff(wide, axis=1) <= 0).all()


def test_cifar_reaches_the_experiment(tmp_path):
    folder = tmp_path / "cifar-10-batches-bin"
    folder.mkdir()
    rng = np.random.default_rng(0)
    rows = np.concatenate(
        [np.repeat(np.arange(10), 30)[:, None], rng.integers(0, 256, (300, 3072))], axis=1
    )
    (folder / "data_batch_1.bin").write_bytes(rows.astype(np.uint8).tobytes())
    images = data.cifar10(tmp_path)
    assert images.pixels.shape == (300, 3, 32, 32)
    assert np.bincount(images.labels).tolist() == [30] * 10
    options = settings.RafReal(
        source="cifar10",
        root=str(tmp_path),
        rules=30,
        facts=10,
        valid=10,
        tests=10,
        replicates=2,
        penalties=3,
    )
    tables.check(real.sweep(options, 1).errors, schema.RealTable)
    (folder / "data_batch_1.bin").write_bytes(b"\0" * 100)
    with pytest.raises(InputError, match=r"data_batch_1\.bin is truncated"):
        data.cifar10(tmp_path)
    with pytest.raises(InputError, match=r"CIFAR-10 is not in .*nowhere"):
        data.cifar10(tmp_path / "nowhere")


def test_cifar_refuses_too_few_images():
    with pytest.raises(
        InputError,
        match=r"asks for 2000 \+ 100 \+ 500 rule images and 100 facts; digits holds 14\d\d, half",
    ):
        real.sweep(settings.RafReal(rules=2000), 1)


def test_mnist_is_a_pair_of_digits_with_its_official_test_set(mnist_folder):
    options = settings.RafReal(
        source="mnist-sample", pair=[4, 9], fact=7, rules=100, facts=20, valid=20, tests=100
    )
    groups = real.SOURCES["mnist-sample"](options)
    assert groups.rule.shape == (1000, 784)
    assert (groups.labels > 0).sum() == (groups.labels < 0).sum() == 500
    assert len(groups.facts) == 500
    assert not groups.official.any()
    swapped = real.SOURCES["mnist-sample"](options.model_copy(update={"pair": [9, 4]}))
    np.testing.assert_array_equal(swapped.labels, -groups.labels)
    folder = options.model_copy(update={"source": "mnist", "root": str(mnist_folder)})
    assert not real.SOURCES["mnist"](folder).official.any()  # not all 70,000 are there
    with pytest.raises(ValidationError, match="three different digits"):
        settings.RafReal(source="mnist-sample", pair=[4, 4])
    with pytest.raises(ValidationError, match="root"):
        settings.RafReal(source="mnist")


def test_effective_dimension_counts_equal_directions():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(20_000, 6)) * np.array([1, 1, 1, 1e-4, 1e-4, 1e-4])
    assert real.participation(X + 5) == pytest.approx(3, rel=0.02)


def test_svm_and_ridge_of_images_minimize_their_losses():
    options = settings.RafReal(rules=100, facts=30, valid=20, tests=50)
    groups = real.SOURCES["digits"](options)
    data = real.split(groups, options, np.random.default_rng(0))
    K = np.exp(-cdist(data.X, data.X, "sqeuclidean") / 1000)
    errors = real._svm(K, np.exp(-cdist(data.X_test, data.X, "sqeuclidean") / 1000), data, 0.5)
    machine = SVC(kernel="precomputed", C=2.0).fit(K, data.y)  # with an intercept
    lost = (machine.predict(K) != data.y)[data.facts].mean()
    assert errors["e_mem"] == pytest.approx(lost, abs=0.1)
    dual = np.linalg.solve(K + 0.5 * np.eye(len(K)), data.y)
    assert errors["ridge_e_mem"] == ((K @ dual > 0) != (data.y > 0))[data.facts].mean()
