"""Functions and values that the rules share. Nothing here computes: the config is checked, digests are taken."""

import json
import sys
from pathlib import Path

from snakemake.exceptions import WorkflowError
from snakemake.io import report as annotated

try:
    from rote import code as rote_code
    from rote import config as rote_config
    from rote.errors import ConfigError
except ImportError as error:
    raise WorkflowError(
        f"rote is not installed in {sys.prefix} ({error}): run `make setup`, then `source .venv/bin/activate`"
    )

try:
    CONFIG = rote_config.parse(config, where="config")
except ConfigError as error:
    raise WorkflowError(str(error)) from None

# `rote` of this environment, also where .venv is not activated
shell.prefix(f'PATH="{Path(sys.executable).parent}:$PATH"; set -o pipefail; ')

HOME = Path(workflow.current_basedir).parents[
    1
]  # where rote lies: not the working directory if it is a module


def own(path):
    """A file of rote itself, relative where that is the same."""
    return path if Path(path).resolve() == (HOME / path).resolve() else str(HOME / path)


# what each paper makes, by paper: lists of paths "tables" and "figures"; filled by the papers' rule files
PRODUCTS = {}

RUN = rote_config.shared(CONFIG)  # the keys that belong to no paper, as JSON


def settings(section):
    """The config slice that a verb uses, e.g. "<paper>.linear", as JSON. A changed key re-runs what uses it."""
    values = CONFIG
    for name in section.split("."):
        values = getattr(values, name)
    return values.model_dump_json()


def code(*targets):
    """Digest of the code behind these targets. As a parameter it re-runs jobs whose code was edited.

    A function, so that it is computed for jobs that are planned only: on a cluster Snakemake starts anew for every job.
    """
    return lambda wildcards: "-".join(rote_code.digest(target) for target in targets)


def at_scale(laptop, paper):
    """A resource that the paper scale needs more of."""
    return paper if CONFIG.scale == "paper" else laptop


def drawn(paper, figures):
    """Outputs of a paper's figures (PNG and PDF), the PNGs annotated for `snakemake --report`."""
    folder = f"results/{{run}}/{paper}/figures"
    pages = [f"{folder}/{figure}.pdf" for figure in figures]
    return pages + [
        annotated(
            f"{folder}/{figure}.png",
            caption=f"../report/{paper}.rst",
            category=paper,
            labels={"figure": figure.replace("_", " ")},
        )
        for figure in figures
    ]


def made(kind):
    """Paths of a kind of product ("tables", "figures") of all papers of this run."""
    paths = [path for paper in CONFIG.papers for path in PRODUCTS[paper][kind]]
    return [path.format(run=CONFIG.run) for path in paths]


def announcement():
    """Shell command that prints the ledger and where the report is, if this run made them."""
    ledger, page = (
        f"results/{CONFIG.run}/claims.parquet",
        f"reports/{CONFIG.run}/index.html",
    )
    told = f"rote ledger {ledger}" if Path(ledger).exists() else "true"
    return told + (f"; echo 'Report: {page}'" if Path(page).exists() else "")
