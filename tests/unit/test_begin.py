"""A run's folder holds results of one source of data; other numbers are computed in place."""

import pytest
import yaml
from rote.core.errors import ConfigError
from rote.run import begin, config

MNIST = {"longtail.images.source": "mnist", "longtail.images.root": "data/mnist"}


@pytest.fixture
def root(tmp_path):
    """A folder in which a run of the long tail has begun and made a table."""
    begin.record(config.load(), tmp_path)
    table = tmp_path / "results/laptop/longtail/images.parquet"
    table.parent.mkdir(parents=True)
    table.touch()
    return tmp_path


def test_sources_are_named_in_every_paper_that_reads_files():
    names = {name for name, _ in begin.sources(config.load())}
    assert {"longtail.images.root", "raf.real.source", "resmem.mnist.root"} <= names
    assert {"chain.corpus", "cramless.text.corpus", "distmem.pythia.models"} <= names
    assert {"attention.embeddings.model", "chain.model", "distmem.pythia.tasks"} <= names
    assert "longtail.linear.n" not in names


def test_other_data_in_the_same_folder_are_refused_in_one_line(root):
    with pytest.raises(ConfigError) as refused:
        begin.refuse_other_data(config.load(overrides=MNIST), root)
    assert str(refused.value) == (
        "results/laptop was made with longtail.images.source = 'mnist-sample', not 'mnist'; "
        "to keep both, give this run a name of its own: --config run=<name>"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"longtail.linear.n": 200, "seed": 5},  # numbers are computed anew, in place
        MNIST | {"run": "mine"},
        # the chain has no results here
        {"chain.corpus": "data/notes.jsonl", "chain.facts": "data/facts.csv"},
    ],
)
def test_other_numbers_names_and_papers_go_on(root, changes):
    begin.refuse_other_data(config.load(overrides=changes), root)


def test_config_of_another_version_or_none_stops_nothing(root):
    path = root / "results/laptop/config.yaml"
    for text in ("longtail: {pictures: 3}", "- a list", "{"):
        path.write_text(text)
        begin.refuse_other_data(config.load(overrides=MNIST), root)
    path.unlink()
    begin.refuse_other_data(config.load(overrides=MNIST), root)


def test_recorded_config_loads_again_and_is_written_once(root):
    path = root / "results/laptop/config.yaml"
    assert config.load(path) == config.load()
    before = path.stat().st_mtime_ns
    begin.record(config.load(), root)
    assert path.stat().st_mtime_ns == before
    begin.record(config.load(overrides={"seed": 2}), root)
    assert yaml.safe_load(path.read_text())["seed"] == 2
