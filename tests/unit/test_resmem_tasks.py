"""ResMem's tasks: their registry, the keys and labels of their arms, claims about all of them."""

import subprocess
import sys
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote.core.errors import InputError
from rote.core.section import Section, key
from rote.ledger import evaluate, load
from rote.papers.resmem import (
    costs,
    embedding,
    evaluation,
    measures,
    methods,
    residuals,
    sections,
    statistics,
    tasks,
    training,
)
from rote.papers.resmem.settings import Settings
from rote.papers.resmem.task import (
    INPUTS,
    LABEL_PARTS,
    SPLITS,
    Arrays,
    BaseArm,
    Headline,
    MemorySpec,
    ResmemTask,
    SizeAxis,
    TaskWork,
    TrainingRecipe,
    TrainingRun,
    cut,
)
from rote.papers.resmem.tasks import language
from rote.papers.resmem.tasks.digits import ResmemDigits

KNN = "resmem.over_knn"
WINE = '''
from rote.core.section import Section, key
from rote.papers.resmem.task import BaseArm, ResmemTask, SizeAxis, TaskWork, TrainingRecipe, cut


class ResmemWine(Section):
    """A task of a file."""

    units: list[int] = key([0, 8], "Hidden units")
    replicates: int = key(2, "Splits")


TASK = ResmemTask(
    name="wine",
    title="Wine",
    settings=ResmemWine,
    work=lambda options: TaskWork(training=13.0 * sum(options.units), rows=356),
    load=lambda options, rng: None,
    arms=lambda options: [BaseArm(("units",), units=units) for units in options.units],
    recipe=lambda options: TrainingRecipe(10, 10, 0.01),
    axis=SizeAxis("units", "hidden units"),
)
'''
ONE_FILE_MORE = """
import sys
from rote.papers.resmem import tasks

tasks.__path__.append(sys.argv[1])  # as if the file lay in the package
import rote.papers.resmem.settings
from rote.core.errors import InputError
from rote.core.section import Section, key
from rote.papers.resmem import costs
from rote.run import config

settings = config.parse({"resmem": {"wine": {"units": [0, 4]}}}).resmem
assert settings.wine.units == [0, 4]
assert "wine" in tasks.of_run(settings)
assert costs.WORK["train_base"](settings, {"task": "wine"}) == 6 * 13 * 4
assert costs.WORK["evaluate"](settings, {"task": "wine"}) == 356
assert tasks.get("wine").axis.column == "units"
for call in (lambda: tasks.get("beer"), lambda: costs.WORK["evaluate"](settings, {"task": "beer"})):
    try:
        call()
    except InputError as error:
        assert "task must be one of digits, " in str(error), error
        assert "wine, given 'beer'" in str(error), error
    else:
        raise AssertionError("an unknown task was accepted")
try:
    config.parse({"resmem": {"wine": {"unit": 3}}})
except InputError as error:
    assert "resmem.wine.unit: no such key; did you mean 'resmem.wine.units'" in str(error), error
else:
    raise AssertionError("an unknown key was accepted")
"""


def test_task_is_added_by_one_file(tmp_path):
    (tmp_path / "wine.py").write_text(WINE)
    command = [sys.executable, "-c", ONE_FILE_MORE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_task_must_say_what_its_steps_and_the_plan_need(tmp_path, monkeypatch):
    digits = tasks.get("digits")
    with pytest.raises(InputError, match="task 'digits' says nothing about work"):
        replace(digits, work=None)
    with pytest.raises(InputError, match="task 'digits' says nothing about load, recipe"):
        replace(digits, load=None, recipe=None)
    with pytest.raises(InputError, match="task 'pictures' says nothing about embed"):
        replace(tasks.get("pictures"), embed=None)
    with pytest.raises(InputError, match=r"axis and headline select by units, .*, not by unitz"):
        replace(digits, axis=SizeAxis("unitz", "hidden units"))
    (tmp_path / "beer.py").write_text(WINE)
    monkeypatch.setattr(tasks, "__path__", [*tasks.__path__, str(tmp_path)])
    with pytest.raises(InputError, match=r"tasks\.beer: its task must have the file's name"):
        tasks.registry.__wrapped__()


def test_rules_list_tasks_that_need_files_only_where_the_config_names_them():
    options = Settings(leave_out_tasks=[])
    usual = tasks.of_run(options)
    assert {"digits", "longtail", "fine", "text", "regression"} <= set(usual)
    assert all(not tasks.get(name).needs for name in usual)
    fashion = options.fashion.model_copy(update={"root": "data/fashion-mnist"})
    corpus = options.language.model_copy(update={"corpus": "text.txt"})
    named = options.model_copy(update={"fashion": fashion, "language": corpus})
    assert [name for name in tasks.of_run(named) if name not in usual] == ["fashion", "language"]


class NoReplicates(Section):
    """A section that lacks a key which every task has."""

    units: list[int] = key([0], "Hidden units")


def by_hand(**changed):
    """A task made by hand, with some of its fields changed."""
    given = {
        "name": "hand",
        "title": "By hand",
        "settings": ResmemDigits,
        "work": lambda options: TaskWork(1.0, 1.0),
        "load": lambda options, rng: None,
        "arms": lambda options: [BaseArm(("units",), units=units) for units in (0, 4)],
        "recipe": lambda options: TrainingRecipe(10, 10, 0.01),
        "headline": Headline(INPUTS, {"units": 0}),
    }
    return ResmemTask(**(given | changed))


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            {"arms": lambda options: [BaseArm(("units",), units=4, noise=n) for n in (0.0, 0.1)]},
            "several called '4 units'",
        ),
        ({"arms": lambda options: [BaseArm(("layers",), layers=2)]}, "units, .*, given layers"),
        (
            {"arms": lambda options: [BaseArm(("unitz",))]},
            "task 'hand': varied must name some of units, .*, given unitz",
        ),
        ({"arms": lambda options: [BaseArm(())]}, "varied must name some of .*, given none"),
        (
            {"headline": Headline("bogus", {"units": 0})},
            "features of the headline must be one of LAST, MAP, INPUTS, given 'bogus'",
        ),
        ({"headline": Headline(INPUTS, {"unitz": 0})}, "not by unitz"),
        ({"settings": NoReplicates}, "NoReplicates must have the key replicates"),
        ({"needs": "root"}, "ResmemDigits must have the key root"),
    ],
)
def test_task_made_by_hand_is_checked_when_it_is_made(changed, message):
    assert by_hand().headline.features == INPUTS
    with pytest.raises(InputError, match=message):
        by_hand(**changed)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: TrainingRecipe(0, 10, 0.1), "steps must be a whole number ≥ 1, given 0"),
        (lambda: TrainingRecipe(1, -5, 0.1), "batch must be a whole number ≥ 1, given -5"),
        (lambda: TrainingRecipe(1, 1, -1.0), "learning_rate must be finite and > 0, given -1.0"),
        (lambda: TrainingRecipe(1, 1, 0.1, np.nan), "decay must be finite and ≥ 0, given nan"),
        (lambda: TaskWork(-1, 1), "training must be finite and ≥ 0, given -1"),
        (lambda: TaskWork(1, -1), "rows must be finite and ≥ 0, given -1"),
        (lambda: TaskWork(1, 1, np.inf), "forward must be finite and ≥ 0, given inf"),
        (lambda: BaseArm(("units",), units=-1), "units must be a whole number ≥ 0, given -1"),
        (lambda: BaseArm(("units",), layers=True), "layers must be a whole number ≥ 1, given True"),
        (lambda: BaseArm(("noise",), noise=2), r"noise must be in \[0, 1\), given 2"),
        (lambda: BaseArm(("noise",), noise="a"), r"noise must be in \[0, 1\), given 'a'"),
    ],
)
def test_records_of_a_task_are_refused_by_field_and_range(call, message):
    with pytest.raises(InputError, match=message):
        call()


@pytest.mark.parametrize(
    ("train", "valid", "message"),
    [
        (8, 5, r"train \+ valid must be below the 10 rows, .* given 8 \+ 5"),
        (8, 2, r"train \+ valid must be below the 10 rows, .* given 8 \+ 2"),
        (0, 5, "train must be a whole number ≥ 1, given 0"),
        (5, -1, "valid must be a whole number ≥ 1, given -1"),
    ],
)
def test_cut_refuses_empty_and_short_parts(train, valid, message):
    x, y = np.zeros((10, 2)), np.zeros(10, int)
    assert [len(cut(x, y, 7, 2, 2).split(name).y) for name in SPLITS] == [7, 2, 1]
    with pytest.raises(InputError, match=message):
        cut(x, y, train, valid, 2)
    with pytest.raises(InputError, match="y must have a label for each of the 10 rows"):
        cut(x, y[1:], 7, 2, 2)


def test_task_names_import_nothing_heavy():
    program = (
        "import sys, rote.papers.resmem.settings\n"
        "print([name for name in ('torch', 'numba', 'sklearn') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_tasks_have_costs_and_tell_their_arms_apart():
    options = Settings()
    for name, task in tasks.registry().items():
        work = costs.WORK["evaluate"](options, {"task": name})
        assert work > 0, name
        if task.arms and not task.needs:
            arms = task.arms(getattr(options, name))
            assert len({arm.key for arm in arms}) == len(arms)


def test_arm_keys_are_those_their_numbers_were_drawn_under():
    options = Settings()
    keys = {}
    for name in ("digits", "longtail", "fine", "text", "mnist", "cifar", "language"):
        arms = tasks.get(name).arms(getattr(options, name))
        keys[name] = [arm.key for arm in arms]
    assert keys["digits"][:2] == ["linear", "3 units"]
    assert keys["digits"][-1] == "linear, noise 0.8"
    assert keys["longtail"] == [
        "16 units, n = 1000",
        "16 units, n = 4000",
        "16 units, n = 16000",
        "64 units, n = 1000",
    ]
    assert keys["fine"] == ["width 2", "width 4", "width 8", "width 4, n = 3000"]
    assert keys["text"] == ["16 units", "64 units"]
    assert keys["mnist"][2:5] == ["width 4", "depth 14", "depth 20"]
    assert keys["mnist"][-1] == "n = 1000"
    assert keys["cifar"][0] == "depth 8"
    assert keys["language"][0] == "EleutherAI/pythia-70m"


def test_arms_are_selected_by_their_fields():
    task = tasks.get("mnist")
    rows = pd.DataFrame([{"task": "mnist"} | arm.columns() for arm in task.arms(Settings().mnist)])
    assert measures.series(rows, "width")["width"].tolist() == [1, 2, 4]
    assert measures.series(rows, "depth")["depth"].tolist() == [8, 14, 20]
    assert measures.of_arm(rows, depth=14)["arm"].tolist() == ["depth 14"]
    assert measures.of_arm(rows, examples=250)["width"].tolist() == [1]
    with pytest.raises(KeyError, match="depth"):
        measures.of_arm(rows, depth=9)
    with pytest.raises(InputError, match="task must be one of digits"):
        measures.of_task(rows, "cats")
    with pytest.raises(KeyError, match="task fine"):
        measures.of_task(rows, "fine")


def test_arm_label_changes_no_number_and_no_path(monkeypatch, tmp_path):
    options = ResmemDigits(units=[0, 4], noises=[0.4], train=100, steps=10, replicates=2)
    run = TrainingRun(seed=1, checkpoints=tmp_path)
    before = _all_steps(options, run)
    for name, part in LABEL_PARTS.items():
        monkeypatch.setitem(LABEL_PARTS, name, lambda arm, part=part: f"a base of {part(arm)}")
    after = _all_steps(options, run)
    for first, second in zip(before.arrays, after.arrays, strict=True):
        assert first.keys() == second.keys()
        for name, value in first.items():
            np.testing.assert_array_equal(second[name], value)
    assert set(before.frames["calibration"]["method"]) <= set(methods.LABELS)
    assert all(key.isidentifier() for key in methods.LABELS)
    for name, frame in before.frames.items():
        relabeled = after.frames[name]
        assert relabeled["label"].str.startswith("a base of ").all()
        pd.testing.assert_frame_equal(relabeled.assign(label=frame["label"]), frame)
    assert before.checkpoints == after.checkpoints


class StepResults(NamedTuple):
    """What the four steps of a task leave."""

    arrays: list[Arrays]
    frames: dict[str, pd.DataFrame]
    checkpoints: list[Path]


def _all_steps(options, run):
    task = tasks.get("digits")
    bases = training.bases(task, options, run)
    embeddings = embedding.embeddings(task, options, bases, run.seed)
    memory = sections.ResmemMemory()
    neighbors, choices = residuals.neighbors(task, options, memory, embeddings, run.seed)
    frames = evaluation.evaluate(task, options, embeddings, neighbors, choices, run.seed)
    checkpoints = [run.checkpoint(arm) for arm in task.distinct_arms(options)]
    return StepResults([bases, embeddings, neighbors], frames | {"choices": choices}, checkpoints)


def test_claims_about_all_tasks_leave_out_the_task_whose_arm_is_missing():
    rows, flips = [], []
    for name in ("digits", "text"):
        task = tasks.get(name)
        for arm, replicate in product(task.arms(getattr(Settings(), name)), range(8)):
            memory = MemorySpec(arm, task.headline.features, arm.examples, replicate)
            columns = memory.columns(task)
            accuracies = {"base": 0.4, "knn": 0.5, "resmem": 0.5 + replicate / 1000, "pool": 1000}
            rows.append(columns | accuracies)
            for part in ("fixed", "broken"):
                partition = measures.FLIPS["knn"]
                flips.append(columns | {"partition": partition, "part": part, "share": 0.01})
    frame = pd.DataFrame(rows)
    without = frame[(frame["task"] != "text") | (frame["units"] != 16)]
    tables = {"accuracy": without, "parts": pd.DataFrame(flips)}
    samples = statistics.over_knn(tables)
    assert len(samples.pop("text").values) == 0
    assert all(len(sample.values) == 8 for sample in samples.values())
    claim = next(claim for claim in load(ROOT / "workflow/claims/resmem.yaml") if claim.id == KNN)
    ledger = evaluate([claim], tables).set_index("condition")["verdict"]
    assert ledger.to_dict() == {"digits": "reproduced", "text": "not run"}


def test_language_models_have_the_size_that_is_listed():
    options = language.ResmemLanguage(models=["EleutherAI/pythia-410m", "name-7b"])
    assert [arm.weights for arm in language.arms(options)] == [410e6, language.UNKNOWN_WEIGHTS]
    work = language.work(options)
    assert work.forward == pytest.approx(2 * (410e6 + 1e9) / 2 * work.rows)
