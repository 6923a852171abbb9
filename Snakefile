"""rote: what seven papers claim about memorization and generalization, re-derived in one DAG."""


include: "workflow/Snakefile"


workflow.default_target = "all"  # Snakemake takes none from an included file
