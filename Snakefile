"""rote: what seven papers claim about memorization and generalization, re-derived from scratch in one DAG."""

from snakemake.utils import min_version

min_version("9.27")


configfile: "config/config.yaml"


container: "envs/rote.sif"


report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/chain.smk"
include: "workflow/rules/longtail.smk"
include: "workflow/rules/raf.smk"
include: "workflow/rules/resmem.smk"
include: "workflow/rules/attention.smk"
include: "workflow/rules/cramless.smk"
include: "workflow/rules/distmem.smk"
include: "workflow/rules/inversion.smk"
include: "workflow/rules/figures.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/bench.smk"


localrules:
    all,
    figures,
    claims,
    report,


wildcard_constraints:
    run=CONFIG.run,
    paper="|".join(CONFIG.papers),


rule all:
    default_target: True
    input:
        rules.report.input,
        f"results/{CONFIG.run}/MANIFEST.json",
        f"results/{CONFIG.run}/strict.txt" if CONFIG.strict else [],
    resources:
        gpu=0,


onsuccess:
    shell(announcement())
