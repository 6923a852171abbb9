"""`rote plan`: it reads Snakemake's plan, fits measurements, and its formulas grow with scale."""

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from rote.core.errors import InputError
from rote.core.papers import names
from rote.run import config, costs, machine, nodes, planned

PLAN = """
[Wed Nov 25 22:33:24 2026]
rule distmem_count_pairs:
    input: a.jsonl, b
    output: results/paper/distmem/x.parquet, results/paper/distmem/words
    log: results/paper/logs/x.log
    jobid: 43
    benchmark: results/paper/benchmarks/x.tsv
    reason: Missing output files: results/paper/distmem/x.parquet
    wildcards: run=paper, source=pythia, part=7
    threads: 2
    resources: tmpdir=/tmp, mem_mb=8000, mem=8 GB, runtime=1440, gpu=0
[Wed Nov 25 22:33:24 2026]
localrule all:
    input: x
    jobid: 0
    resources: tmpdir=/tmp, gpu=0
[Wed Nov 25 22:33:24 2026]
rule longtail_train_network:
    output: y.parquet
    benchmark: results/paper/benchmarks/y.tsv
    wildcards: run=paper, architecture=sum
    resources: tmpdir=/tmp, gpu=1, mem_mb=16000, runtime=2880
Job stats:
job    count
"""


def test_read_plan_reads_a_dry_run():
    jobs = planned.read_plan(PLAN)
    assert [job.rule for job in jobs] == ["distmem_count_pairs", "longtail_train_network"]
    first, second = jobs
    assert first.wildcards == {"run": "paper", "source": "pythia", "part": "7"}
    assert first.outputs == ["results/paper/distmem/x.parquet", "results/paper/distmem/words"]
    assert (first.paper, first.step, first.gpus, first.memory_mb, first.runtime_min) == (
        "distmem",
        "count_pairs",
        0,
        8000,
        1440,
    )
    assert (second.paper, second.step, second.gpus) == ("longtail", "train_network", 1)


def test_fit_recovers_start_and_rates_from_noisy_times():
    rng = np.random.default_rng(0)
    rows = []
    for number in range(12):
        rate = 10 ** rng.uniform(-9, -3)
        for scale, seconds in (("smoke", 0.3), ("laptop", 20), ("laptop", 35)):
            amount = seconds / rate
            rows.append(
                (
                    scale,
                    f"raf_{number}",
                    amount,
                    (2.0 + rate * amount) * np.exp(0.05 * rng.normal()),
                    1,
                    1,
                    1e6,
                )
            )
    measured = pd.DataFrame(
        rows, columns=["scale", "rule", "work", "seconds", "memory_mb", "requested_mb", "bytes"]
    )
    model = costs.fit(measured)
    assert model.start_s == pytest.approx(2.0, abs=0.3)
    ratio = model.jobs["predicted_s"] / model.jobs["seconds"]
    assert ratio.between(0.75, 1.33).all()
    exact = costs.accuracy(model)
    assert exact.loc["raf", "predicted_s"] == pytest.approx(exact.loc["raf", "measured_s"], rel=0.1)
    assert 1 < exact.loc["raf", "factor"] < 1.2


def test_shipped_measurements_cover_every_paper():
    measured = pd.read_csv(costs.MEASURED, sep="\t")
    laptop = measured[measured["scale"] == "laptop"]
    papers = set(laptop["rule"].str.split("_").str[0]) - {"report"}
    # one that was added meanwhile has not run yet
    assert papers <= set(names())
    assert len(papers) >= 8
    assert (
        laptop["memory_mb"].dropna() < laptop.loc[laptop["memory_mb"].notna(), "requested_mb"]
    ).all()
    model = costs.fit(measured)
    sums = costs.accuracy(model).sum()
    assert sums["predicted_s"] / sums["measured_s"] == pytest.approx(1, abs=0.25)


@pytest.mark.parametrize("paper", names())
def test_formulas_are_positive_and_grow_from_smoke_to_paper(paper):
    jobs = planned.plan(ROOT / "config/paper.yaml", ROOT) if paper == names()[0] else None
    scales = [config.load(ROOT / f"config/{name}.yaml") for name in ("smoke", "config", "paper")]
    for job in jobs or []:
        if costs.has_formula(job):
            amount = costs.work(job, scales[2])
            assert amount >= 0, job.rule
            assert np.isfinite(amount)
    formulas = costs.formulas(paper, "WORK")
    assert formulas
    where = {
        "source": "world0",
        "network": "neox-16",
        "world": "facts-40",
        "width": "16",
        "task": "digits",
        "architecture": "sum",
        "prediction": "noise",
        "group": "standard",
        "number": "0",
        "family": "neox",
        "size": "small",
        "scheme": "none",
    }
    for step, formula in formulas.items():
        if step == "evaluate_pretrained":
            continue  # only where a corpus is named
        small, middle, large = (formula(getattr(scale, paper), where) for scale in scales)
        assert 0 < small <= middle * 1.001, step
        assert middle <= large * 1.001, step


def test_show_prices_the_paper_scale(capsys):
    paper_scale = ROOT / "config/paper.yaml"
    costs.show(config.load(paper_scale), paper_scale, clusters=[nodes.Cluster(10)])
    output = capsys.readouterr().out
    for paper in names():
        assert f"│ {paper}" in output
    assert "device hours" in output
    assert "assumed (--device-tflops)" in " ".join(output.split())
    assert "model / measured" in output
    assert "of which need devices" in " ".join(output.split())
    assert "needs more time" not in output
    assert "10 nodes of 32 cores, 4 devices and 256 GB each:" in output
    assert "TB written" in output
    assert "distmem_synthesize_tokens writes 13.0 TB: a corpus that is tokenized" in output
    named = " ".join(output.split()).split("no formula, counted as measured at smaller scales: ")[1]
    assert "raf_draw_figures" in named
    assert "raf_train_two_layer" not in named


def test_table_says_which_rules_have_no_formula():
    jobs = [
        planned.PlannedJob("raf_solve_curves", {}, [], "", "", 0, 1000, 10),
        planned.PlannedJob("report_draw_site", {}, [], "", "", 0, 1000, 10),
    ]
    frame = costs.table(jobs, config.load(), costs.fit(pd.read_csv(costs.MEASURED, sep="\t")))
    assert list(frame["formula"]) == [True, False]
    assert (frame["core_h"] > 0).all()


def test_distmem_models_and_corpora_have_their_published_sizes():
    from rote.papers.distmem import published

    assert published.weights("EleutherAI/pythia-70m") == 70e6
    assert published.weights("EleutherAI/pythia-1.4b@step1000") == 1.4e9
    assert published.weights("gpt2") == published.ASSUMED_WEIGHTS
    assert published.words("hf:allenai/dolma") == 3e12
    assert published.words("my.jsonl") == published.ASSUMED_WORDS


def test_plan_refuses_folders_without_a_workflow(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="no Snakefile in"):
        planned.plan(None, tmp_path)
    (tmp_path / "bad.yaml").write_text("seeds: 3\n")
    with pytest.raises(
        InputError,
        match=r"Snakemake cannot plan this run: .*seeds: no such key; did you mean 'seed'",
    ):
        planned.plan(tmp_path / "bad.yaml", ROOT)


@pytest.mark.parametrize("scale", sorted(costs.BUDGETS))
def test_run_stays_within_its_budget(scale):
    """Core seconds of the reference machine, and jobs: what a first look may take."""
    seconds, most_jobs = costs.BUDGETS[scale]
    path = ROOT / costs.RUNS[scale]
    jobs = planned.plan(path, ROOT)
    assert len(jobs) <= most_jobs
    assert costs.core_seconds(jobs, config.load(path), costs.shipped()) <= seconds


def test_machine_factor_is_near_what_it_measured_before():
    assert 0.2 < machine.factor(2, 0.3) / machine.factor(2, 0.3) < 5  # others may compute, too


def test_forecast_adds_up_jobs_and_scales_with_machine_and_cores(monkeypatch):
    monkeypatch.setattr(machine, "factor", lambda cores: 2.0)
    jobs = [planned.PlannedJob("raf_x", {}, [], "", "", 0, 0, 0) for _ in range(4)]
    monkeypatch.setattr(costs, "job_seconds", lambda job, settings, model: 300.0)
    line = costs.forecast(jobs, config.load(), cores=2)
    assert line.startswith("4 jobs, about 20 minutes on 2 cores without devices")
    assert "1,200 core seconds of the reference machine, 2.00 times as many here" in line
    # a single job fills one core, however many there are
    line = costs.forecast(jobs[:1], config.load(), cores=8)
    assert line.startswith("1 job, about 10 minutes on 8 cores")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(3600.0 * 24 * 100, "100 days"), (3600.0 * 24 * 365 * 500, "500 years")],
)
def test_forecast_says_what_needs_devices(monkeypatch, seconds, words):
    monkeypatch.setattr(machine, "factor", lambda cores: 1.0)
    monkeypatch.setattr(costs, "job_seconds", lambda job, settings, model: seconds)
    jobs = [planned.PlannedJob("raf_x", {}, [], "", "", 1, 0, 0)]
    line = costs.forecast(jobs, config.load(), cores=2)
    assert line == (
        f"1 job, 1 of which need devices: on 2 cores alone they would take about {words}."
    )


def test_cpu_seconds_are_those_of_the_last_verb_of_a_log(tmp_path):
    log = tmp_path / "x.log"
    assert costs._cpu_seconds(log) == 0
    log.write_text(
        "07:56:14 raf a: done in 29.0 s (11.8 CPU s, 13.05 in all)\n"
        "07:56:38 raf b: done in 1.0 s (0.8 CPU s, 14.25 in all)\n"
    )
    assert costs._cpu_seconds(log) == 14.25
    log.write_text("07:56:38 raf b: start\n")
    assert costs._cpu_seconds(log) == 0
