"""rote: what seven papers claim about memorization and generalization, re-derived from scratch in one DAG."""


include: "workflow/Snakefile"
