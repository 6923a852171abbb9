"""The config model: what it accepts, how it refuses, and the files generated from it."""

import difflib
import json
import re

import jsonschema
import pytest
import yaml
from conftest import ROOT
from rote.core.errors import ConfigError
from rote.core.papers import figure_names, load, table_names
from rote.report import generated
from rote.run import config


@pytest.mark.parametrize("name", sorted(generated.files()))
def test_generated_files_are_in_step_with_the_models(name):
    expected = generated.files()[name]
    result = (ROOT / name).read_text()
    diff = "\n".join(
        difflib.unified_diff(
            result.splitlines(), expected.splitlines(), name, "generated", lineterm=""
        )
    )
    assert result == expected, f"run `rote config write`:\n{diff}"


def test_load_of_the_default_file_is_the_default():
    assert config.load(ROOT / "config/config.yaml") == config.load()


def test_config_keys_are_described():
    def undescribed(section, where=""):
        for name, field in section.model_fields.items():
            if not field.description:
                yield where + name
            if config.is_section(field.annotation):
                yield from undescribed(field.annotation, f"{where}{name}.")

    assert list(undescribed(config.model())) == []


@pytest.mark.parametrize("scale", ["smoke", "full", "paper"])
def test_overlays_are_valid_and_fit_the_json_schema(scale):
    settings = config.load(ROOT / f"config/{scale}.yaml")
    assert settings.scale == settings.run == scale
    schema = yaml.safe_load((ROOT / "workflow/schemas/config.schema.json").read_text())
    jsonschema.validate(settings.model_dump(), schema)


def test_load_accepts_nested_and_dotted_overrides():
    nested = config.load(None, {"longtail": {"linear": {"n": 77}}, "seed": 5})
    dotted = config.load(None, {"longtail.linear.n": 77, "seed": 5})
    assert nested == dotted
    assert dotted.longtail.linear.n == 77
    assert dotted.longtail.linear.d == config.load().longtail.linear.d


def test_load_accepts_dotted_keys_in_files(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text("longtail.linear.n: 77\nlongtail:\n  linear.d: 500\nraf.real: {}\n")
    settings = config.load(path, {"longtail.linear.n": 78})
    assert (settings.longtail.linear.n, settings.longtail.linear.d) == (78, 500)
    path.write_text("longtail.linear.m: 77\n")
    with pytest.raises(ConfigError, match=r"longtail\.linear\.m: no such key"):
        config.load(path)


def test_parse_accepts_dotted_keys_beside_defaults():
    """As Snakemake hands them over: every default nested, and the key of a file joined by dots."""
    values = config.load().model_dump()
    settings = config.parse(values | {"longtail.linear.n": 77})
    assert settings == config.load(None, {"longtail.linear.n": 77})


def test_parse_refuses_a_key_with_two_values():
    values = {"longtail": {"linear": {"n": 5}}, "longtail.linear.n": 77}
    with pytest.raises(
        ConfigError,
        match=r"n is given twice, `longtail: linear: n: 5` and `longtail\.linear\.n: 77`",
    ):
        config.parse(values)
    assert config.parse(values | {"longtail.linear.n": 5}).longtail.linear.n == 5


@pytest.mark.parametrize("scale", ["smoke", "full", "paper"])
def test_parse_accepts_dotted_keys_beside_an_overlay(scale):
    """The values of a scale are its defaults: a key joined by dots replaces them, in any order."""
    values = config.load(ROOT / f"config/{scale}.yaml").model_dump()
    values["longtail"]["linear"]["n"] = 78
    dotted = {"longtail.linear.d": 501, "longtail": values["longtail"]}
    settings = config.parse(dotted | values)
    assert (settings.longtail.linear.n, settings.longtail.linear.d) == (78, 501)
    with pytest.raises(ConfigError, match=r"`longtail: linear: n: 78` and `longtail.linear.n: 9`"):
        config.parse(values | {"longtail.linear.n": 9})


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "longtail: {linear.n: 77, linear: {n: 78}}",
            "`longtail: linear: n: 78` and `longtail: linear.n: 77`",
        ),
        (
            "longtail.linear.n: 77\nlongtail.linear: {n: 78}",
            "`longtail.linear.n: 77` and `longtail.linear: n: 78`",
        ),
        ("longtail: 3\nlongtail.linear.n: 77", "`longtail: 3` and `longtail.linear.n: 77`"),
    ],
)
def test_load_refuses_a_key_with_two_values(tmp_path, text, expected):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError, match="is given twice") as caught:
        config.load(path)
    assert expected in str(caught.value)


def test_load_hints_at_a_key_that_moved():
    """The nearest keys of the whole config, with their paths."""
    with pytest.raises(ConfigError, match=r"did you mean 'distmem\.ladder\.\w+\.sizes' or 'dist"):
        config.load(None, {"distmem.ladder.sizes": [1]})


def test_at_follows_a_dotted_path():
    settings = config.load()
    assert config.at(settings, "longtail.linear.n") == settings.longtail.linear.n
    assert config.at(settings, "longtail") is settings.longtail
    with pytest.raises(ConfigError, match=r"keys of longtail: .*linear"):
        config.at(settings, "longtail.lines")
    with pytest.raises(ConfigError, match="seed is no section"):
        config.at(settings, "seed.x")


def test_generated_schemas_say_that_they_are_generated():
    for name, text in generated.files().items():
        if name.endswith(".json"):
            assert "rote config write" in json.loads(text)["$comment"], name
        else:
            assert "rote config write" in text, name


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (
            {"longtail.linear.replicate": 3},
            r"linear\.replicate: no such key; did you mean 'longtail\.linear\.replicates'",
        ),
        ({"longtial": {}}, r"longtial: no such key; did you mean 'longtail'"),
        ({"sed": 3}, r"sed: no such key; did you mean 'seed'"),
        ({"longtail.linear.n": "many"}, r"longtail\.linear\.n: .*integer.*'many'.*integer ≥ 1"),
        ({"longtail.linear.n": 2.5}, r"longtail\.linear\.n: .*2\.5"),
        (
            {"longtail.linear.n": 0},
            r"longtail\.linear\.n: .*greater than or equal to 1.*integer ≥ 1",
        ),
        ({"longtail.linear.n": True}, r"longtail\.linear\.n: .*integer"),
        ({"longtail.linear.sigmas": [0.1, -1.0]}, r"longtail\.linear\.sigmas\.1: .*-1\.0"),
        ({"longtail.linear.alphas": []}, r"longtail\.linear\.alphas: .*at least 1"),
        ({"longtail.linear.s": float("nan")}, r"longtail\.linear\.s: .*finite"),
        (
            {"longtail.images.source": "minst"},
            r"longtail\.images\.source: .*'minst'.*one of digits, mnist-sample, mnist",
        ),
        ({"longtail.images.source": "mnist"}, r"longtail\.images: .*`root` must name the folder"),
        (
            {"longtail.network.architectures": ["sum", "resnet"]},
            r"architectures\.1: .*'resnet'.*cross-channel",
        ),
        (
            {"longtail.network.weight_decays": [1.0, 7.0]},
            r"longtail\.network: weight_decays must hold",
        ),
        ({"longtail": 3}, r"longtail: .*a group of keys: leave_out, linear, scaling"),
        ({"papers": ["longtial"]}, r"papers: unknown paper 'longtial'; did you mean 'longtail'"),
        ({"papers": []}, r"papers: .*at least 1"),
        ({"papers": ["longtail", "longtail"]}, r"papers: a paper is listed twice"),
        ({"run": "../up"}, r"run: .*'\.\./up'"),
        ({"scale": "huge"}, r"scale: .*one of smoke, laptop, full, paper"),
        ({"seed": None}, r"seed: .*given None"),
    ],
)
def test_load_names_a_wrong_key_in_one_line(overrides, expected):
    with pytest.raises(ConfigError) as caught:
        config.load(None, overrides)
    lines = str(caught.value).splitlines()
    assert lines[0] == "config: 1 problem"
    assert len(lines) == 2
    assert re.search(expected, lines[1]), lines[1]


def test_load_names_all_problems_at_once():
    with pytest.raises(ConfigError, match="2 problems") as caught:
        config.load(None, {"longtail.linear.n": 0, "sead": 1})
    assert "longtail.linear.n" in str(caught.value)
    assert "sead" in str(caught.value)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("run: [", "not valid YAML"),
        ("- a\n- b", "expected keys and values, found list"),
        ("\x00", "not valid YAML"),
    ],
)
def test_load_names_unusable_files(tmp_path, content, expected):
    path = tmp_path / "mine.yaml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=expected) as caught:
        config.load(path)
    assert str(path) in str(caught.value)


def test_load_names_missing_files_and_folders(tmp_path):
    for path in (tmp_path / "none.yaml", tmp_path):
        with pytest.raises(ConfigError, match=re.escape(str(path))):
            config.load(path)


def test_a_text_of_the_users_has_a_run_of_its_own_unless_it_is_named():
    notes = {"corpus": "notes.jsonl", "facts": "facts.csv"}
    assert config.load(None, {"chain": notes}).run == "laptop-own"
    assert config.load(None, {"chain": notes, "run": "notes"}).run == "notes"
    without = {"chain": notes, "papers": ["raf"]}
    assert config.load(None, without).run == "laptop"


def test_load_refuses_a_file_of_comments_alone_as_snakemake_does(tmp_path):
    path = tmp_path / "empty.yaml"
    path.write_text("# nothing\n")
    with pytest.raises(ConfigError, match="holds no key; write one"):
        config.load(path)
    path.write_text("{}\n")
    assert config.load(path) == config.load()


def test_config_refuses_tasks_of_generation_that_do_not_exist():
    wrong = {"distmem": {"ladder": {"generated_tasks": ["translatoin"]}}}
    with pytest.raises(ConfigError, match=r"generated_tasks\.0: .*one of facts, translation"):
        config.parse(wrong)


def test_smoke_and_paper_leave_out_nothing_that_full_makes():
    full = config.load(ROOT / "config/full.yaml")
    for scale in ("smoke", "full", "paper"):
        settings = config.load(ROOT / f"config/{scale}.yaml")
        for paper in settings.papers:
            made = table_names(paper, getattr(settings, paper))
            assert set(made) >= set(table_names(paper, getattr(full, paper))), (scale, paper)


def test_left_out_tables_take_their_figures_along():
    settings = config.load(None, {"raf.leave_out": ["two_layer"]}).raf
    assert "two_layer" not in table_names("raf", settings)
    left_out = set(load("raf", "figures").FIGURES) - set(figure_names("raf", settings))
    assert left_out
    assert all("two_layer" in load("raf", "figures").FIGURES[name].tables for name in left_out)


def test_left_out_tables_must_exist():
    expected = r"raf\.leave_out: no table 'two_layers'; did you mean 'two_layer'"
    with pytest.raises(ConfigError, match=expected):
        config.load(None, {"raf.leave_out": ["two_layers"]})
