"""What Snakemake plans: lint, conventions of every rule, config errors, code provenance."""

import json
import re
from itertools import pairwise

import pytest
from conftest import BIN, ROOT, run, snakemake
from rote.core.papers import load, names


def planned(project, *arguments) -> set[str]:
    """Rules that a dry run would execute."""
    done = snakemake(project, "--dry-run", *arguments)
    table = re.search(
        r"^job +count\n-+ +-+\n(.*?)^total", done.stdout + done.stderr, flags=re.M | re.S
    )
    return {line.split()[0] for line in table[1].splitlines()} if table else set()


def dag(project) -> dict[str, dict]:
    """Every rule with its directives, as Snakemake parsed them."""
    program = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from snakemake.api import SnakemakeApi\n"
        "from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, "
        "ResourceSettings\n"
        "with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:\n"
        "    workflow = api.workflow(resource_settings=ResourceSettings(cores=1), "
        "snakefile=Path('Snakefile'),\n"
        "        config_settings=ConfigSettings(configfiles=[Path('config/smoke.yaml')]))._workflow\n"
        "    rules = {r.name: {'resources': sorted(r.resources), 'log': len(r.log), 'benchmark': "
        "bool(r.benchmark),\n"
        "        'gpu': r.resources.get('gpu'), 'shell': r.shellcmd, 'params': "
        "sorted(r.params.keys())}\n"
        "        for r in workflow.rules}\n"
        "    json.dump(rules, sys.__stdout__, default=str)\n"
    )
    return json.loads(run(project, str(BIN / "python"), "-c", program).stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def rules():
    """Those of a run; `bench` belongs to none."""
    found = dag(ROOT)
    assert found.pop("bench")["gpu"] == 'Resource("gpu", 0)'
    return found


def test_rule_files_are_clean():
    run(ROOT, "ruff", "check", ".")
    run(ROOT, "ruff", "format", "--check", ".")
    run(ROOT, "snakefmt", "--check", "Snakefile", "workflow/rules")
    assert "good condition" in run(ROOT, "snakemake", "--lint").stderr


def test_every_rule_names_its_gpu(rules):
    assert len(rules) > 15
    assert [name for name, rule in rules.items() if "gpu" not in rule["resources"]] == []
    on_devices = {name for name, rule in rules.items() if rule["gpu"] == 'Resource("gpu", 1)'}
    assert on_devices == {
        "longtail_train_network",
        "raf_train_two_layer",
        "attention_train_heads",
        "cramless_train_networks",
        "distmem_train_ladder",
        "distmem_train_ablation",
        "distmem_evaluate_networks",
        "distmem_evaluate_pretrained",
        "distmem_evaluate_influence",
        "inversion_train_networks",
        "resmem_train_base",
        "chain_train_scorer",
        "chain_train_model",
        "report_evaluate_devices",
    }


def test_every_computing_rule_has_log_benchmark_resources_and_code(rules):
    for name, rule in rules.items():
        if rule["shell"]:
            assert rule["log"], name
            assert rule["benchmark"], name
            assert {"mem_mb", "runtime"} <= set(rule["resources"]), name
            assert "code" in rule["params"], name
            assert "rote " in rule["shell"], name


def test_rules_are_named_paper_verb_noun(rules):
    verbs = "synthesize|prune|train|embed|fit|count|solve|simulate|evaluate|draw|record|require"
    papers = "|".join([*names(), "report"])
    for name, rule in rules.items():
        if rule["shell"]:
            assert re.fullmatch(rf"({papers})_({verbs})(_\w+)?", name), name


@pytest.mark.parametrize("paper", names())
def test_the_rules_draw_every_figure_and_make_every_table(paper):
    text = (ROOT / f"workflow/rules/{paper}.smk").read_text()
    listed = {
        kind: re.findall(
            r'"(\w+)"', re.search(rf"^{paper.upper()}_{kind} = \[(.*?)^\]", text, re.M | re.S)[1]
        )
        for kind in ("FIGURES", "TABLES")
    }
    assert listed["FIGURES"] == list(load(paper, "figures").FIGURES)
    tables = set(load(paper, "schema").TABLES)
    assert set(listed["TABLES"]) == tables
    needed = {
        table for figure in load(paper, "figures").FIGURES.values() for table in figure.tables
    }
    assert needed <= tables


def test_adding_a_paper_takes_one_include_line():
    text = (ROOT / "Snakefile").read_text() + (ROOT / "workflow/rules/report.smk").read_text()
    text += (ROOT / "workflow/rules/common.smk").read_text()
    for paper in names():
        assert re.findall(rf".*{paper}.*", text) == [f'include: "workflow/rules/{paper}.smk"']


@pytest.mark.parametrize(
    ("settings", "wanted"),
    [
        (
            "longtail={linear: {replicate: 3}}",
            "longtail.linear.replicate: no such key; did you mean 'replicates'",
        ),
        ("longtail={linear: {n: many}}", "longtail.linear.n: "),
        ("longtail={network: {n: 0}}", "longtail.network.n: "),
        ("papers=[longtial]", "unknown paper 'longtial'; did you mean 'longtail'"),
        ("sede=3", "sede: no such key; did you mean 'seed'"),
    ],
)
def test_a_wrong_config_stops_before_any_job(project, settings, wanted):
    done = snakemake(project, "--config", settings, check=False)
    assert done.returncode
    told = done.stdout + done.stderr
    assert wanted in told
    assert "Traceback" not in told
    assert not (project / "results").exists()


def test_a_run_of_another_name_has_no_rule(project):
    done = snakemake(project, "--dry-run", "--", "results/other/claims.parquet", check=False)
    assert done.returncode
    assert "MissingRuleException" in done.stdout + done.stderr


def test_a_second_run_plans_nothing(smoke):
    assert planned(smoke) == set()
    assert "Nothing to be done" in snakemake(smoke).stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "wanted"),
    [
        (
            "rote/papers/longtail/linear.py",
            "RECOVERED = 1e-7",
            "RECOVERED = 1e-7  # a comment",
            set(),
        ),
        ("rote/papers/longtail/kernel.py", '"""Kernel track:', '"""The kernel track:', set()),
        (
            "rote/papers/longtail/kernel.py",
            "w = np.maximum(w, 0)",
            "w = np.maximum(w, 1e-15)",
            {"longtail_fit_kernel"},
        ),
        (
            "rote/models/slots.py",
            "HEAD_WIDTH = 64",
            "HEAD_WIDTH = 32",
            {"longtail_train_network"},
        ),
        (
            "rote/papers/longtail/figures/network.py",
            "markersize=5.5",
            "markersize=6",
            {"longtail_draw_figures"},  # the notebook follows, because its figures do
        ),
        (
            "rote/papers/longtail/statistics/linear.py",
            "DETERMINED = 1.5",
            "DETERMINED = 1.75",
            {"report_evaluate_claims"},
        ),
        (
            "rote/theory/minnorm.py",
            "AMBIGUOUS = 1e-7",
            "AMBIGUOUS = 1e-6",
            {
                "longtail_solve_linear",
                "longtail_solve_scaling",
                "longtail_solve_interpolators",
                "longtail_solve_influence",
            },
        ),
    ],
)
def test_editing_code_plans_exactly_the_rules_that_run_it(smoke, file, old, new, wanted):
    path = smoke / "workflow" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    try:
        done = snakemake(smoke, "--dry-run")
        told = done.stdout + done.stderr
        first = set()
        for rule, reason in re.findall(
            r"^(?:local)?rule (\w+):\n(?:.*\n)*?    reason: (.*)", told, flags=re.M
        ):
            if "Params have changed" in reason or "Code has changed" in reason:
                first.add(rule)
        # statistics are also read by whatever draws with them; compare what changes by itself, not
        # what follows
        assert first >= wanted
        assert {rule for rule in first if rule.startswith("longtail_")} == {
            rule for rule in wanted if rule.startswith("longtail_")
        }
        assert bool(first) == bool(wanted)
    finally:
        path.write_text(text)


@pytest.mark.parametrize(
    ("settings", "wanted", "kept"),
    [
        ("longtail={kernel: {replicates: 3}}", {"longtail_fit_kernel"}, {"longtail_solve_linear"}),
        ("bootstrap_resamples=199", {"report_evaluate_claims"}, {"longtail_train_network"}),
        ("checkpoint_steps=7", set(), {"longtail_train_network", "report_evaluate_claims"}),
        ("strict=true", {"report_require_claims"}, {"report_evaluate_claims", "report_draw_site"}),
    ],
)
def test_a_changed_number_re_runs_what_depends_on_it(smoke, settings, wanted, kept):
    plan = planned(smoke, "--config", settings)
    assert wanted <= plan
    assert not kept & plan


def test_papers_can_be_chosen(project):
    assert "longtail_solve_linear" in planned(project, "--config", "papers=[longtail]")


def test_targets(project):
    assert planned(project, "--", "longtail") >= {"longtail_draw_figures", "longtail_train_network"}
    assert "report_draw_site" not in planned(project, "--", "longtail")
    assert "longtail_draw_figures" in planned(project, "--", "figures")
    assert planned(project, "--", "claims") & {"report_draw_site", "longtail_draw_figures"} == set()
    assert "report_require_claims" not in planned(project)


def test_a_corpus_adds_the_text_experiment(project):
    assert not {"cramless_count_facts", "cramless_train_text"} & planned(project)
    text = "cramless={text: {corpus: /data/wiki.parquet, facts: /data/facts.csv, devices: 2}}"
    assert {"cramless_count_facts", "cramless_train_text", "cramless_evaluate_text"} <= planned(
        project, "--config", text, "--", "cramless"
    )


def test_a_study_is_planned_where_its_corpus_is_named(project):
    """A user's own corpus, models and tasks go through the same rules, counted in parts."""
    own = (
        "corpus: /data/texts, models: [/models/a, /models/b@step1], tasks: {qa: "
        "/data/qa.jsonl}, parts: 3"
    )
    study = f"distmem={{pythia: {{{own}}}}}"
    done = snakemake(project, "--dry-run", "--config", study, "--", "distmem")
    planned_jobs = done.stdout + done.stderr
    counts = {
        "distmem_evaluate_pretrained": 2,
        "distmem_synthesize_examples": 1,
        "distmem_count_pairs": 5,
    }
    for rule, number in counts.items():
        assert re.search(rf"^{rule} +{number}$", planned_jobs, flags=re.M), rule
    assert "distmem_evaluate_pretrained" not in planned(project, "--", "distmem")


def test_the_chain_runs_on_a_text_and_a_model_of_ones_own(project):
    own = "chain={corpus: /data/text.jsonl, facts: /data/facts.csv, model: /models/mine}"
    done = snakemake(project, "--dry-run", "--config", own, "--", "chain")
    told = done.stdout + done.stderr
    assert "results/smoke/chain/models/own-0.safetensors" in told
    assert "load-" not in told
    for rule in ("chain_train_scorer", "chain_train_model", "chain_fit_residuals"):
        assert re.search(rf"^{rule} +1$", told, flags=re.M), rule


def test_the_chain_is_one_road(project):
    """Every step reads what an earlier one wrote, and no step leads back."""
    road = [
        "synthesize_corpus",
        "train_scorer",
        "prune_corpus",
        "train_model",
        "embed_corpus",
        "fit_residuals",
        "evaluate",
        "draw_figures",
    ]
    graph = snakemake(project, "--rulegraph", "--", "chain").stdout
    names_of = dict(re.findall(r'(\d+)\[label = "chain_(\w+)"', graph))
    edges = {(names_of.get(a), names_of.get(b)) for a, b in re.findall(r"(\d+) -> (\d+)", graph)}
    assert set(pairwise(road)) <= edges
    place = {name: at for at, name in enumerate(road)} | {"count_ngrams": 5.5}
    assert all(place[a] < place[b] for a, b in edges if a and b)
