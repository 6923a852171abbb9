"""What Snakemake plans: lint, conventions of every rule, config errors, code provenance."""

import json
import re
from collections import Counter
from itertools import chain, pairwise
from pathlib import Path

import pytest
from conftest import BIN, ROOT, run, snakemake
from rote.core.papers import figure_names, load, names, table_names
from rote.run import config, order
from rote.run.planned import plan as planned_jobs


def planned(project, *arguments) -> set[str]:
    """Rules that a dry run would execute."""
    done = snakemake(project, "--dry-run", *arguments)
    table = re.search(
        r"^job +count\n-+ +-+\n(.*?)^total", done.stdout + done.stderr, flags=re.M | re.S
    )
    return {line.split()[0] for line in table[1].splitlines()} if table else set()


PRINT_RULES = """
import json, re, sys
from pathlib import Path
from snakemake.api import SnakemakeApi
from snakemake.settings.types import ConfigSettings, OutputSettings, Quietness, ResourceSettings

with SnakemakeApi(OutputSettings(quiet={Quietness.ALL})) as api:
    workflow = api.workflow(
        resource_settings=ResourceSettings(cores=1),
        snakefile=Path("Snakefile"),
        config_settings=ConfigSettings(configfiles=[Path("config/smoke.yaml")]),
    )._workflow
    rules = {}
    for rule in workflow.rules:
        rules[rule.name] = {
            "resources": sorted(rule.resources),
            "log": len(rule.log),
            "benchmark": bool(rule.benchmark),
            "gpu": rule.resources.get("gpu"),
            "shell": rule.shellcmd,
            "params": sorted(rule.params.keys()),
            "outputs": [re.sub(r",[^{}]*}", "}", str(path)) for path in rule.output],
        }
    json.dump(rules, sys.__stdout__, default=str)
"""


def dag(project) -> dict[str, dict]:
    """Every rule with its directives, as Snakemake parsed them."""
    return json.loads(run(project, str(BIN / "python"), "-c", PRINT_RULES).stdout.splitlines()[-1])


@pytest.fixture(scope="module")
def rules():
    """Those of a run; `bench` belongs to none."""
    all_rules = dag(ROOT)
    assert all_rules.pop("bench")["gpu"] == 'Resource("gpu", 0)'
    return all_rules


def test_rule_files_are_clean():
    run(ROOT, "ruff", "check", ".")
    run(ROOT, "ruff", "format", "--check", ".")
    run(ROOT, "snakefmt", "--check", "Snakefile", "workflow")
    assert "good condition" in run(ROOT, "snakemake", "--lint").stderr


def test_rules_name_their_gpu(rules):
    assert len(rules) > 15
    assert [name for name, rule in rules.items() if "gpu" not in rule["resources"]] == []
    on_devices = {name for name, rule in rules.items() if rule["gpu"] == 'Resource("gpu", 1)'}
    assert on_devices == {
        "longtail_train_network",
        "longtail_train_scenes",
        "longtail_train_sizes",
        "raf_train_two_layer",
        "attention_train_heads",
        "attention_evaluate_heads",
        "cramless_train_networks",
        "distmem_train_ladder",
        "distmem_train_ablation",
        "distmem_evaluate_networks",
        "distmem_evaluate_influence",
        "distmem_evaluate_pretrained",
        "inversion_train_networks",
        "resmem_train_base",
        "chain_train_scorer",
        "chain_train_model",
        "report_evaluate_devices",
    }


def test_rules_have_log_benchmark_resources_and_code(rules):
    for name, rule in rules.items():
        if rule["shell"]:
            assert rule["log"], name
            assert rule["benchmark"], name
            assert {"mem_mb", "runtime"} <= set(rule["resources"]), name
            assert {"code", "job"} & set(rule["params"]), name
            # a verb of its own for each set of options, and the other way round
            options = sorted(re.findall(r"\{params\.(job\w*)\}", rule["shell"]))
            jobs = sorted(name for name in rule["params"] if name.startswith("job"))
            assert sorted(set(options)) == jobs, name
            assert "rote " in rule["shell"], name


def test_rules_are_named_paper_verb_noun(rules):
    verbs = (
        "synthesize|tokenize|prune|train|embed|fit|count|solve|simulate|evaluate|draw|record"
        "|require"
    )
    papers = "|".join([*names(), "report"])
    for name, rule in rules.items():
        if rule["shell"]:
            assert re.fullmatch(rf"({papers})_({verbs})(_\w+)?", name), name


def test_rules_make_every_table_of_a_paper_once(rules):
    """Whatever a rule's tables are called, the registry's are among them, each made by one rule."""
    outputs = Counter(chain.from_iterable(rule["outputs"] for rule in rules.values()))
    settings = config.load(ROOT / "config/smoke.yaml")
    for paper in names():
        for table in table_names(paper, getattr(settings, paper)):
            assert outputs[f"results/{{run}}/{paper}/{table}.parquet"] == 1, (paper, table)


@pytest.mark.parametrize("paper", names())
def test_figures_read_tables_of_their_paper(paper):
    figures = load(paper, "figures").FIGURES.values()
    tables = load(paper, "schema").TABLES
    assert all(set(figure.tables) <= set(tables) for figure in figures)


def test_figures_are_all_drawn_at_the_full_scale_and_name_parts_that_exist():
    settings = config.load(ROOT / "config/full.yaml")
    for paper in names():
        section = getattr(settings, paper)
        figures = load(paper, "figures").FIGURES
        undrawn = set(figures) - set(figure_names(paper, section))
        # those of data that only a config can name
        assert all(set(figures[name].tables) - set(table_names(paper, section)) for name in undrawn)


def test_shared_rules_name_no_paper():
    """Adding a paper is adding its files: entry, shared rules and targets follow the registry."""
    shared = [ROOT / "Snakefile", ROOT / "workflow/Snakefile"]
    for name in ("common", "figures", "report", "bench"):
        shared.append(ROOT / f"workflow/rules/{name}.smk")
    for path in shared:
        code = re.sub(r'""".*?"""', "", path.read_text(), flags=re.S)
        code = re.sub(r"#.*", "", code)
        assert not re.findall(rf"\b({'|'.join(names())})\b", code), path


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (
            "longtail={linear: {replicate: 3}}",
            "longtail.linear.replicate: no such key; did you mean 'longtail.linear.replicates'",
        ),
        ("longtail={linear: {n: many}}", "longtail.linear.n: "),
        ("longtail={network: {n: 0}}", "longtail.network.n: "),
        ("papers=[longtial]", "unknown paper 'longtial'; did you mean 'longtail'"),
        ("sede=3", "sede: no such key; did you mean 'seed'"),
    ],
)
def test_wrong_config_stops_before_any_job(project, settings, expected):
    done = snakemake(project, "--config", settings, check=False)
    assert done.returncode
    output = done.stdout + done.stderr
    assert expected in output
    assert "Traceback" not in output
    assert not (project / "results").exists()


def test_plan_refuses_results_of_another_run(project):
    done = snakemake(project, "--dry-run", "--", "results/other/claims.parquet", check=False)
    assert done.returncode
    assert "MissingRuleException" in done.stdout + done.stderr


def test_plan_of_a_finished_run_is_empty(smoke):
    assert planned(smoke) == set()
    assert "Nothing to be done" in snakemake(smoke).stderr


@pytest.mark.parametrize(
    ("file", "old", "new", "expected"),
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
            {"longtail_train_network", "longtail_train_sizes", "longtail_train_scenes"},
        ),
        (
            "rote/papers/longtail/figures/network.py",
            "markersize=4.5",
            "markersize=5",
            {"longtail_draw_figures"},  # the notebook follows, because its figures do
        ),
        (
            "rote/papers/longtail/statistics/linear.py",
            "DETERMINED = 1.5",
            "DETERMINED = 1.75",
            {"report_evaluate_paper"},
        ),
        (
            "rote/theory/minnorm.py",
            "AMBIGUOUS = 1e-7",
            "AMBIGUOUS = 1e-6",
            {"longtail_solve_linear"},
        ),
    ],
)
def test_plan_holds_exactly_the_rules_of_edited_code(smoke, file, old, new, expected):
    path = smoke / "workflow" / file
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    try:
        done = snakemake(smoke, "--dry-run")
        output = done.stdout + done.stderr
        first = set()
        for rule, reason in re.findall(
            r"^(?:local)?rule (\w+):\n(?:.*\n)*?    reason: (.*)", output, flags=re.M
        ):
            if "Params have changed" in reason or "Code has changed" in reason:
                first.add(rule)
        # statistics are also read by whatever draws with them; compare what changes by itself, not
        # what follows
        assert first >= expected
        assert {rule for rule in first if rule.startswith("longtail_")} == {
            rule for rule in expected if rule.startswith("longtail_")
        }
        assert bool(first) == bool(expected)
    finally:
        path.write_text(text)


@pytest.mark.parametrize(
    ("settings", "expected", "unchanged"),
    [
        ("longtail={kernel: {replicates: 3}}", {"longtail_fit_kernel"}, {"longtail_solve_linear"}),
        ("checkpoint_steps=7", set(), {"longtail_train_network", "report_evaluate_paper"}),
        ("strict=true", {"report_require_claims"}, {"report_evaluate_paper", "report_draw_site"}),
    ],
)
def test_plan_holds_the_rules_of_a_changed_key(smoke, settings, expected, unchanged):
    plan = planned(smoke, "--config", settings)
    assert expected <= plan
    assert not unchanged & plan


def test_plan_follows_the_chosen_papers(project):
    assert "longtail_solve_linear" in planned(project, "--config", "papers=[longtail]")


def test_plan_of_other_papers_judges_and_draws_none_again(smoke):
    plan = planned(smoke, "--config", "papers=[raf, longtail]")
    assert plan >= {"report_evaluate_claims", "report_draw_site"}
    assert not plan & {"report_evaluate_paper", "report_draw_paper"}


def test_plan_computes_papers_one_after_another(project):
    """What a paper's report needs comes before all of later papers but what begins early."""
    text = snakemake(project, "--dry-run").stdout
    jobs = re.findall(r"^rule (\w+):\n(?:    .*\n)*?    priority: (\d+)", text, flags=re.M)
    turns = order.turns(names(), "smoke")
    first, second = sorted(names(), key=turns.get, reverse=True)[:2]
    early = [int(number) for rule, number in jobs if rule.startswith(f"{first}_")]
    later = [int(number) for rule, number in jobs if rule.startswith(f"{second}_")]
    assert min(early) >= turns[first] > max(later)
    reports = {int(number) for rule, number in jobs if rule == "report_evaluate_paper"}
    assert reports == {turn + order.STEP - 1 for turn in turns.values()}


def test_targets_plan_their_rules(project):
    assert planned(project, "--", "longtail") >= {"longtail_draw_figures", "longtail_train_network"}
    assert "report_draw_site" not in planned(project, "--", "longtail")
    assert "longtail_draw_figures" in planned(project, "--", "figures")
    assert planned(project, "--", "claims") & {"report_draw_site", "longtail_draw_figures"} == set()
    assert "report_require_claims" not in planned(project)


def test_cramless_plans_the_text_experiment_with_a_corpus(project):
    assert not {"cramless_tokenize_text", "cramless_train_text"} & planned(project)
    files = "corpus: /data/wiki.parquet, facts: /data/facts.csv, phrasings: /data/ways.csv"
    text = f"cramless={{text: {{{files}, devices: 2}}}}"
    assert {"cramless_tokenize_text", "cramless_train_text", "cramless_evaluate_text"} <= planned(
        project, "--config", text, "--", "cramless"
    )


def test_distmem_plans_a_study_of_a_users_corpus(project):
    """A user's corpus, models and tasks go through rules of their own, counted in parts."""
    models = "models: [/models/a, /models/b@step1], tasks: {qa: /data/qa.jsonl}"
    study = f"distmem={{pythia: {{corpus: /data/texts, {models}, parts: 3}}}}"
    done = snakemake(project, "--dry-run", "--config", study, "--", "distmem")
    planned_jobs = done.stdout + done.stderr
    counts = {
        "distmem_evaluate_pretrained": 2,
        "distmem_synthesize_examples": 1,
        "distmem_count_pairs": 3,
    }
    for rule, number in counts.items():
        assert re.search(rf"^{rule} +{number}$", planned_jobs, flags=re.M), rule
    assert "distmem_evaluate_pretrained" not in planned(project, "--", "distmem")


def test_chain_plans_a_users_text_and_model(project):
    settings = "chain={corpus: /data/text.jsonl, facts: /data/facts.csv, model: /models/mine}"
    done = snakemake(project, "--dry-run", "--config", settings, "--", "chain")
    output = done.stdout + done.stderr
    assert "results/smoke-own/chain/models/own-0.safetensors" in output
    assert "facts-" not in output
    for rule in ("chain_train_scorer", "chain_train_model", "chain_fit_residuals"):
        assert re.search(rf"^{rule} +1$", output, flags=re.M), rule


def test_chain_steps_follow_one_another(project):
    """Every step reads what an earlier one wrote, and no step leads back."""
    steps = [
        "synthesize_corpus",
        "train_scorer",
        "prune_corpus",
        "train_model",
        "fit_residuals",
        "evaluate",
        "draw_figures",
    ]
    graph = snakemake(project, "--rulegraph", "--", "chain").stdout
    names_of = dict(re.findall(r'(\d+)\[label = "chain_(\w+)"', graph))
    edges = {(names_of.get(a), names_of.get(b)) for a, b in re.findall(r"(\d+) -> (\d+)", graph)}
    assert set(pairwise(steps)) <= edges
    order = {name: number for number, name in enumerate(steps)}
    assert all(order[a] < order[b] for a, b in edges if a and b)


def test_no_job_of_the_laptop_scale_makes_a_table_that_it_leaves_out():
    settings = config.load()
    for job in planned_jobs(ROOT / "config/config.yaml", ROOT):
        if job.paper in settings.papers:
            made = {Path(path).stem for path in job.outputs if path.endswith(".parquet")}
            assert made.isdisjoint(getattr(settings, job.paper).leave_out), job.rule
