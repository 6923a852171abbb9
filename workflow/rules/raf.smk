# Rules and facts (arXiv 2603.25579): theory, simulation, real images, two-layer networks.

RAF = "results/{run}/raf"


rule raf_solve_curves:
    output:
        curves=f"{RAF}/curves.parquet",
        checks=f"{RAF}/checks.parquet",
        separability=f"{RAF}/separability.parquet",
    log:
        "results/{run}/logs/raf_solve_curves.log",
    benchmark:
        "results/{run}/benchmarks/raf_solve_curves.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        job=job("raf:solve_curves", "raf.theory"),
        job_simulate=job("raf:simulate_separability", "raf.separability"),
    shell:
        in_turn(
            (
                "raf solve-curves --curves {output.curves:q} --checks {output.checks:q}",
                "job",
            ),
            (
                "raf simulate-separability --out {output.separability:q}",
                "job_simulate",
            ),
        )


rule raf_simulate_learners:
    output:
        out=f"{RAF}/simulations.parquet",
    log:
        "results/{run}/logs/raf_simulate_learners.log",
    benchmark:
        "results/{run}/benchmarks/raf_simulate_learners.tsv"
    priority: 10
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(20, 1440),
    params:
        eps=CONFIG.raf.theory.eps,
        job=job("raf:simulate_learners", "raf.simulation"),
    shell:
        rote("raf simulate-learners --out {output.out:q} --eps {params.eps}")


rule raf_simulate_kernels:
    output:
        out=f"{RAF}/universality.parquet",
    log:
        "results/{run}/logs/raf_simulate_kernels.log",
    benchmark:
        "results/{run}/benchmarks/raf_simulate_kernels.tsv"
    priority: 5
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 720),
    params:
        job=job("raf:simulate_kernels", "raf.universality"),
    shell:
        rote("raf simulate-kernels --out {output.out:q}")


rule raf_fit_images:
    output:
        out=f"{RAF}/real.parquet",
        images=f"{RAF}/real_images.parquet",
        svm=f"{RAF}/real_svm.parquet",
    log:
        "results/{run}/logs/raf_fit_images.log",
    benchmark:
        "results/{run}/benchmarks/raf_fit_images.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 480),
    params:
        job=job("raf:fit_images", "raf.real"),
    shell:
        rote(
            "raf fit-images --out {output.out:q} --images {output.images:q}"
            " --svm {output.svm:q}"
        )


rule raf_train_two_layer:
    output:
        out=f"{RAF}/two_layer.parquet",
    log:
        "results/{run}/logs/raf_train_two_layer.log",
    benchmark:
        "results/{run}/benchmarks/raf_train_two_layer.tsv"
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 1440),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        job=job("raf:train_two_layer", "raf.two_layer"),
    shell:
        rote("raf train-two-layer --out {output.out:q}", CHECKPOINTS)
