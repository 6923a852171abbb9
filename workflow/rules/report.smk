# Targets that span the papers, the ledger, and the report.

# pages that span the papers, beside the overview
PAGES = ["claims", "figures", "methods"]
NOTEBOOKS = [shipped(f"workflow/notebooks/{paper}.ipynb") for paper in CONFIG.papers]
FIGURE_CODE = [f"rote.papers.{paper}.figures.*" for paper in CONFIG.papers]


rule figures:
    input:
        of_all_papers(figures_of),
    localrule: True
    resources:
        gpu=0,


rule claims:
    input:
        f"results/{CONFIG.run}/claims.parquet",
    localrule: True
    resources:
        gpu=0,


rule report:
    input:
        f"reports/{CONFIG.run}/index.html",
        expand("reports/{run}/{paper}.html", run=CONFIG.run, paper=CONFIG.papers),
    localrule: True
    resources:
        gpu=0,


rule report_evaluate_claims:
    input:
        tables=of_all_papers(tables_of),
        claims=[shipped(f"workflow/claims/{paper}.yaml") for paper in CONFIG.papers],
    output:
        out="results/{run}/claims.parquet",
    log:
        "results/{run}/logs/report_evaluate_claims.log",
    benchmark:
        "results/{run}/benchmarks/report_evaluate_claims.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        run=RUN,
        claims=lambda wildcards, input: Path(input.claims[0]).parent,
        results=subpath(output.out, parent=True),
        code=code(
            "rote.report.claims_cli:claims_evaluate",
            *(f"rote.papers.{paper}.statistics" for paper in CONFIG.papers),
        ),
    shell:
        "rote claims evaluate --run {params.run:q} --claims {params.claims:q}"
        " --results {params.results:q} --out {output.out:q}"
        " --code {params.code} 2> {log:q}"


rule report_evaluate_devices:
    output:
        out="results/{run}/benchmarks/devices.tsv",
    log:
        "results/{run}/logs/report_evaluate_devices.log",
    benchmark:
        "results/{run}/benchmarks/report_evaluate_devices.tsv"
    resources:
        gpu=1,
        mem_mb=at_scale(3000, 16000),
        runtime=10,
    params:
        code=code("rote.report.cli:measure_devices"),
    shell:
        "rote report devices --out {output.out:q}"
        " --threads {threads} --gpus {resources.gpu} 2> {log:q}"


rule report_draw_site:
    input:
        [*of_all_papers(figures_of), *of_all_papers(tables_of), *NOTEBOOKS],
        claims="results/{run}/claims.parquet",
        devices="results/{run}/benchmarks/devices.tsv",
        templates=page_templates("base", "index", "paper", *PAGES, "ledger", "figure"),
    output:
        index="reports/{run}/index.html",
        pages=expand("reports/{{run}}/{page}.html", page=[*PAGES, *CONFIG.papers]),
        notebooks=expand("reports/{{run}}/{paper}.ipynb", paper=CONFIG.papers),
        files=directory("reports/{run}/files"),
    log:
        "results/{run}/logs/report_draw_site.log",
    benchmark:
        "results/{run}/benchmarks/report_draw_site.tsv"
    threads: 2
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=20,
    params:
        run=RUN,
        results=subpath(input.claims, parent=True),
        notebooks=Path(NOTEBOOKS[0]).parent,
        out=subpath(output.index, parent=True),
        code=code("rote.report.cli:draw_site", *FIGURE_CODE),
    shell:
        "rote report site --run {params.run:q} --results {params.results:q} --threads"
        " {threads} --notebooks {params.notebooks:q} --out {params.out:q} 2> {log:q}"


rule report_require_claims:
    input:
        claims="results/{run}/claims.parquet",
        report=rules.report.input,
    output:
        out="results/{run}/strict.txt",
    log:
        "results/{run}/logs/report_require_claims.log",
    benchmark:
        "results/{run}/benchmarks/report_require_claims.tsv"
    resources:
        gpu=0,
        mem_mb=500,
        runtime=5,
    params:
        code=code("rote.cli:show_ledger"),
    shell:
        "rote ledger {input.claims:q} --strict > {output.out:q} 2> {log:q}"


rule report_record_run:
    input:
        claims="results/{run}/claims.parquet",
        report=rules.report.input,
        tables=of_all_papers(tables_of),
        figures=of_all_papers(figures_of),
        snakefile=shipped("workflow/Snakefile"),
    output:
        manifest="results/{run}/MANIFEST.json",
        crate="results/{run}/ro-crate-metadata.json",
        config="results/{run}/config.yaml",
        snakefile="results/{run}/Snakefile",
    log:
        "results/{run}/logs/report_record_run.log",
    benchmark:
        "results/{run}/benchmarks/report_record_run.tsv"
    threads: 2
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=at_scale(10, 240),
    params:
        config=CONFIG.model_dump_json(),
        results=subpath(output.manifest, parent=True),
        code=code("rote.report.cli:record_run"),
    shell:
        "rote report manifest --config {params.config:q}"
        " --results {params.results:q} --snakefile {input.snakefile:q}"
        " --threads {threads} 2> {log:q}"
