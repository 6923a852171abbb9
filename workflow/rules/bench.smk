# Benchmarks: rote's kernels against what one would use instead. No run needs them; `make bench`
# asks for them.


rule bench:
    input:
        peers=shipped("envs/peers.txt"),
    output:
        page="reports/benchmarks/index.html",
        tables=expand(
            "reports/benchmarks/{table}.parquet",
            table=["benchmarks", "growth", "facts"],
        ),
        growth="reports/benchmarks/growth.png",
    log:
        "reports/benchmarks/benchmarks.log",
    threads: 2  # of a machine that does nothing else meanwhile
    resources:
        gpu=0,
        mem_mb=8000,
        runtime=60,
    params:
        home=HOME,
        out=Path.cwd(),
    shell:
        "cd {params.home:q} && make --no-print-directory .peers > {params.out:q}/{log:q} 2>&1"
        " && PYTHONPATH=.peers python -m tests.benchmarks --out {params.out:q}/reports/benchmarks"
        " 2>&1 | tee -a {params.out:q}/{log:q}"
