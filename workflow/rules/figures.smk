# Per paper: its target, and drawing its figures. What a paper makes is listed by its registries,
# not here.

from snakemake.io import report as annotated


def figures_in_report(paper):
    """A paper's figures, annotated for Snakemake's own report."""
    figures = []
    for path in figures_of(paper):
        labels = {"figure": Path(path).stem.replace("_", " ")}
        caption = f"../report/{paper}.rst"
        figures.append(annotated(path, caption=caption, category=paper, labels=labels))
    return figures


for paper in rote_papers.names():

    rule:
        name:
            paper
        input:
            expand(tables_of(paper) + figures_of(paper), run=CONFIG.run),
        localrule: True
        resources:
            gpu=0,

    rule:
        name:
            f"{paper}_draw_figures"
        input:
            tables_of(paper),
        output:
            figures_of(paper, ".pdf") if CONFIG.pdf else [],
            figures_in_report(paper),
        log:
            f"results/{{run}}/logs/{paper}_draw_figures.log",
        benchmark:
            f"results/{{run}}/benchmarks/{paper}_draw_figures.tsv"
        priority: reporting_on(paper)
        resources:
            gpu=0,
            mem_mb=1000,
            runtime=10,
        params:
            paper=paper,
            names=" ".join(f"--figure {Path(path).stem}" for path in figures_of(paper)),
            tables=subpath(input[0], parent=True),
            figures=subpath(output[0], parent=True),
            pdf="--pdf" if CONFIG.pdf else "--no-pdf",
            code=code("rote.cli:draw", f"rote.papers.{paper}.figures.*"),
        shell:
            "rote draw --paper {params.paper} --results {params.tables:q}"
            " --out {params.figures:q} {params.pdf} {params.names} 2> {log:q}"
