"""rote: what seven papers claim about memorization and generalization, re-derived in one DAG.

The workflow is workflow/Snakefile. Snakemake takes no default target from an included file, so it
is named here.
"""


include: "workflow/Snakefile"


rule reproduce:
    default_target: True
    input:
        rules.all.input,
    localrule: True
    resources:
        gpu=0,
