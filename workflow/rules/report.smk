# Targets that span the papers, the ledger, and the report.

# pages that span the papers, beside the overview
PAGES = ["claims", "figures", "methods"]


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


rule report_evaluate_paper:
    input:
        tables=lambda wildcards: tables_of(wildcards.paper),
        claims=shipped("workflow/claims/{paper}.yaml"),
    output:
        out="results/{run}/claims/{paper}.parquet",
        finding="results/{run}/claims/{paper}.txt",
        basis="results/{run}/claims/{paper}.json",
    log:
        "results/{run}/logs/report_evaluate_paper_{paper}.log",
    benchmark:
        "results/{run}/benchmarks/report_evaluate_paper_{paper}.tsv"
    priority: lambda wildcards: reporting_on(wildcards.paper)
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        run=f"--scale {CONFIG.scale} --seed {CONFIG.seed}",
        tables=subpath(input[0], parent=True),
        code=lambda wildcards: code(
            "rote.report.claims_cli:claims_evaluate",
            f"rote.papers.{wildcards.paper}.statistics",
        )(wildcards),
    shell:
        "rote claims evaluate --claims {input.claims:q} --tables {params.tables:q} {params.run}"
        " --out {output.out:q} --finding {output.finding:q} --basis {output.basis:q}"
        " --code {params.code} 2> {log:q}"


rule report_evaluate_claims:
    input:
        expand("results/{{run}}/claims/{paper}.parquet", paper=CONFIG.papers),
    output:
        out="results/{run}/claims.parquet",
    log:
        "results/{run}/logs/report_evaluate_claims.log",
    benchmark:
        "results/{run}/benchmarks/report_evaluate_claims.tsv"
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=5,
    params:
        papers=[f"--paper {paper}" for paper in CONFIG.papers],
        seed=CONFIG.seed,
        results=subpath(output.out, parent=True),
        code=code("rote.report.claims_cli:claims_join"),
    shell:
        "rote claims join {params.papers} --results {params.results:q}"
        " --out {output.out:q} --seed {params.seed} --code {params.code} 2> {log:q}"


# The papers are a resource, not a parameter: another list must not draw a paper's page again. What
# verdicts rest on is an output of the job that makes the ledger.
rule report_draw_paper:
    input:
        tables=lambda wildcards: tables_of(wildcards.paper),
        figures=lambda wildcards: figures_of(wildcards.paper),
        claims="results/{run}/claims/{paper}.parquet",
        notebook=shipped("workflow/notebooks/{paper}.ipynb"),
        templates=page_templates(),
    output:
        notebook="reports/{run}/{paper}.ipynb",
        out="reports/{run}/{paper}.html",
    log:
        "results/{run}/logs/report_draw_paper_{paper}.log",
    benchmark:
        "results/{run}/benchmarks/report_draw_paper_{paper}.tsv"
    priority: lambda wildcards: reporting_on(wildcards.paper)
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
        papers=",".join(CONFIG.papers),
    params:
        run=f"--scale {CONFIG.scale} --seed {CONFIG.seed}",
        results=subpath(input.claims, ancestor=2),
        code=lambda wildcards: code(
            "rote.report.cli:draw_paper", f"rote.papers.{wildcards.paper}.figures.*"
        )(wildcards),
    shell:
        "rote report paper --paper {wildcards.paper} --papers {resources.papers} {params.run}"
        " --source {input.notebook:q} --results {params.results:q}"
        " --notebook {output.notebook:q} --out {output.out:q} 2> {log:q}"


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
        claims=expand("results/{{run}}/claims/{paper}.parquet", paper=CONFIG.papers),
        papers=expand("reports/{{run}}/{paper}.html", paper=CONFIG.papers),
        devices="results/{run}/benchmarks/devices.tsv",
        figures=of_all_papers(figures_of),
        tables=of_all_papers(tables_of),
        templates=page_templates(),
    output:
        index="reports/{run}/index.html",
        pages=expand("reports/{{run}}/{page}.html", page=PAGES),
        files=directory("reports/{run}/files"),
    log:
        "results/{run}/logs/report_draw_site.log",
    benchmark:
        "results/{run}/benchmarks/report_draw_site.tsv"
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=5,
    params:
        run=RUN,
        results=subpath(input.devices, ancestor=2),
        out=subpath(output.index, parent=True),
        code=code("rote.report.cli:draw_site"),
    shell:
        "rote report site --run {params.run:q}"
        " --results {params.results:q} --out {params.out:q} 2> {log:q}"


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
        "rote report manifest --settings {params.config:q}"
        " --results {params.results:q} --snakefile {input.snakefile:q}"
        " --threads {threads} 2> {log:q}"
