"""Functions and values that the rules share. The config is checked, digests are taken."""

import os
import shlex
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake_interface_executor_plugins.settings import DeploymentMethod

try:
    from rote.core import environment as rote_environment
    from rote.core import papers as rote_papers
    from rote.core.errors import ConfigError
    from rote.run import begin as rote_begin
    from rote.run import code as rote_code
    from rote.run import config as rote_config
    from rote.run import ending as rote_ending
    from rote.run import order as rote_order
except ImportError as error:
    raise WorkflowError(
        f"rote is not installed in {sys.prefix} ({error}): "
        "run `make setup`, then `source .venv/bin/activate`"
    )

rote_environment.prepare()
try:
    CONFIG = rote_config.parse(config, where="config")
    rote_begin.refuse_other_data(CONFIG)
except ConfigError as error:
    raise WorkflowError(str(error)) from None

# `rote` of this environment, also where .venv is not activated; in an image, the image's own
in_image = DeploymentMethod.APPTAINER in workflow.deployment_settings.deployment_method
programs = "$PATH" if in_image else f"{Path(sys.executable).parent}:$PATH"
shell.prefix(f'PATH="{programs}"; set -o pipefail; ')

# The checkout that the rules are read from: not the working directory if another workflow imports
# rote as a module, and none if Snakemake reads them out of a git repository, here or on a host.
BASEDIR = workflow.current_basedir
HOME = Path(BASEDIR).parents[1] if isinstance(BASEDIR, os.PathLike) else None
RUN = rote_config.shared(CONFIG)  # the keys that belong to no paper, as JSON
TURNS = rote_order.turns(CONFIG.papers, CONFIG.scale)  # papers one after another


def from_here(path):
    """A path, relative to the working directory if it leads into it."""
    folder = Path.cwd().resolve()
    inside = path.resolve().is_relative_to(folder)
    return str(path.resolve().relative_to(folder) if inside else path)


def shipped(path):
    """A file of rote itself; out of a git repository, Snakemake's copy of it.

    Args:
        path: in the repository, perhaps with wildcards.
    """
    if HOME:
        return from_here(HOME / path)
    return lambda wildcards: workflow.source_path(f"../../{path.format(**wildcards)}")


IMAGE = from_here(HOME / "envs/rote.sif") if HOME else "envs/rote.sif"


def page_templates():
    """Templates of the report's pages, of the package, which is installed."""
    folder = rote_code.ROOT / "report" / "templates"
    return [from_here(path) for path in sorted(folder.iterdir())]


def section_json(name):
    """The config section at a dotted path, as JSON: a changed key re-runs what uses it."""
    return rote_config.at(CONFIG, name).model_dump_json()


def code(*targets):
    """Digest of the code behind these targets: as a parameter it re-runs jobs of edited code.

    A function, so that it is computed for jobs that are planned only: on a cluster Snakemake starts
    anew for every job.
    """
    return lambda wildcards: "-".join(rote_code.digest(target) for target in targets)


def job(verb, section=None, *, sections=(), seed=True):
    """What every verb of a paper needs, as options: its settings, seed and code digest.

    Args:
        verb: "<paper>:<function>" of the paper's cli.
        section: dotted path of the config section that the verb reads, e.g. "longtail.linear"; may
            name wildcards in
            braces. A function of wildcards gives the JSON itself.
        sections: instead of one, several that the verb gets by their last names, so that no other
            re-runs it.
        seed: whether anything in the verb is random.
    """
    paper, function = verb.split(":")

    def options(wildcards):
        values = dict(wildcards.items())
        parts = []
        if callable(section):
            parts += ["--settings", section(wildcards)]
        elif section:
            parts += ["--settings", section_json(section.format(**values))]
        elif sections:
            paths = [path.format(**values) for path in sections]
            slices = [
                f'"{path.split(".")[-1]}": {section_json(path)}' for path in paths
            ]
            parts += ["--settings", "{" + ", ".join(slices) + "}"]
        if seed:
            parts += ["--seed", str(CONFIG.seed)]
        digest = rote_code.digest(f"rote.papers.{paper}.cli:{function}")
        return shlex.join([*parts, "--code", digest])

    return options


# Where a training saves its state. Not an output: Snakemake would wipe it before each attempt. How
# often is a resource, not a parameter: changing it must not train again.
CHECKPOINTS = (
    "--checkpoints results/{wildcards.run}/checkpoints"
    " --checkpoint-steps {resources.checkpoint_steps}"
)


def rote(*command):
    """The shell command of a verb: its own options, then those that all verbs have."""
    common = "{params.job} --threads {threads} --gpus {resources.gpu} 2> {log:q}"
    return " ".join(["rote", *command, common])


def in_turn(*steps):
    """The shell command of several verbs, one after another in one process, which starts once.

    Args:
        *steps: for each verb its own options, and the name of the parameter with `job`'s.
    """
    common = "--threads {threads} --gpus {resources.gpu}"
    commands = [f"{own} {{params.{options}}} {common}" for own, options in steps]
    return f"rote {' + '.join(commands)} 2> {{log:q}}"


def at_scale(laptop, paper):
    """A resource that the paper scale needs more of than all others."""
    return paper if CONFIG.scale == "paper" else laptop


def tables_of(paper):
    """Paths of the tables that a paper makes in this run."""
    names = rote_papers.table_names(paper, getattr(CONFIG, paper))
    return [f"results/{{run}}/{paper}/{name}.parquet" for name in names]


def figures_of(paper, suffix=".png"):
    """Paths of a paper's figures."""
    names = rote_papers.figure_names(paper, getattr(CONFIG, paper))
    return [f"results/{{run}}/{paper}/figures/{name}{suffix}" for name in names]


def of_all_papers(paths):
    """Paths of a kind of product (`tables_of`, `figures_of`) of all papers of this run."""
    products = []
    for paper in CONFIG.papers:
        products += expand(paths(paper), run=CONFIG.run)
    return products


def reporting_on(paper):
    """Priority of what a paper's report needs: before all other jobs of the paper."""
    return TURNS.get(paper, 0) + rote_order.STEP - 1


def begin():
    """Before the first job: keep the config in the run's folder, say how long this will take."""
    rote_begin.record(CONFIG)
    schedule_once_per_job()
    say_forecast()


def schedule_once_per_job():
    """Where jobs start on this machine, look for jobs to start only when one has ended.

    Snakemake's limit of 100 starts a second looks again a second after every look, forever: one
    more such chain begins with each job that ends, and each look reads the sizes of all inputs of
    all jobs that are ready.
    """
    if workflow.local_exec:
        workflow.scheduler.job_rate_limiter = None


def say_forecast():
    """Print how long this run will take here, before its first job; nothing on a cluster."""
    # not above: on a cluster Snakemake starts anew for every job
    from rote.run import costs, planned

    jobs = planned.of_dag(workflow.dag.needrun_jobs())
    if jobs and workflow.local_exec:
        print(costs.forecast(jobs, CONFIG, workflow.cores), file=sys.stderr)


def say_findings():
    """Print what a run says at its end, whether all of it succeeded or not."""
    for line in rote_ending.lines(CONFIG.run, CONFIG.scale, CONFIG.papers):
        print(line)
