# Long-tail composition (arXiv 2510.16322): linear, network and kernel track.

LONGTAIL = "results/{run}/longtail"
LONGTAIL_KERNEL = [
    (
        "longtail synthesize-kernel-triples --images {input.images:q}"
        " --out {output.triples:q} --zipf {params.zipf} --held-out {params.held_out}",
        "job_draw",
    ),
    (
        "longtail fit-kernel --images {input.images:q} --triples {output.triples:q}"
        " --out {output.out:q}",
        "job",
    ),
]
# all of MNIST beside what every source needs
LONGTAIL_MNIST_MB = 2500 if CONFIG.longtail.images.source == "mnist" else 0
# the linear track: four experiments of seconds each
LONGTAIL_LINEAR = [
    (
        "longtail solve-linear --sets {output.sets:q} --sweep {output.sweep:q}"
        " --ranks {output.ranks:q} --shrinkage {output.shrinkage:q}",
        "job",
    ),
    ("longtail solve-scaling --out {output.scaling:q}", "job_scaling"),
    ("longtail solve-interpolators --out {output.interpolators:q}", "job_other"),
    (
        "longtail solve-influence --influence {output.influence:q}"
        " --leave-one-out {output.leave_one_out:q} --descent {output.descent:q}",
        "job_influence",
    ),
]


rule longtail_solve_linear:
    output:
        sets=f"{LONGTAIL}/linear_sets.parquet",
        sweep=f"{LONGTAIL}/linear_sweep.parquet",
        ranks=f"{LONGTAIL}/linear_ranks.parquet",
        shrinkage=f"{LONGTAIL}/linear_shrinkage.parquet",
        scaling=f"{LONGTAIL}/scaling.parquet",
        interpolators=f"{LONGTAIL}/interpolators.parquet",
        influence=f"{LONGTAIL}/influence.parquet",
        leave_one_out=f"{LONGTAIL}/leave_one_out.parquet",
        descent=f"{LONGTAIL}/descent.parquet",
    log:
        "results/{run}/logs/longtail_solve_linear.log",
    benchmark:
        "results/{run}/benchmarks/longtail_solve_linear.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        job=job("longtail:solve_linear", "longtail.linear"),
        job_scaling=job("longtail:solve_scaling", "longtail.scaling"),
        job_other=job("longtail:solve_interpolators", "longtail.interpolators"),
        job_influence=job("longtail:solve_influence", "longtail.influence"),
    shell:
        in_turn(*LONGTAIL_LINEAR)


rule longtail_synthesize_images:
    output:
        out=f"{LONGTAIL}/images.parquet",
    log:
        "results/{run}/logs/longtail_synthesize_images.log",
    benchmark:
        "results/{run}/benchmarks/longtail_synthesize_images.tsv"
    resources:
        gpu=0,
        mem_mb=1000 + LONGTAIL_MNIST_MB,
        runtime=at_scale(5, 60),
    params:
        replicates=max(
            CONFIG.longtail.network.replicates, CONFIG.longtail.kernel.replicates
        ),
        job=job("longtail:synthesize_images", "longtail.images"),
    shell:
        rote(
            "longtail synthesize-images --out {output.out:q}"
            " --replicates {params.replicates}"
        )


rule longtail_synthesize_triples:
    input:
        images=f"{LONGTAIL}/images.parquet",
    output:
        out=f"{LONGTAIL}/triples.parquet",
    log:
        "results/{run}/logs/longtail_synthesize_triples.log",
    benchmark:
        "results/{run}/benchmarks/longtail_synthesize_triples.tsv"
    resources:
        gpu=0,
        mem_mb=1000 + LONGTAIL_MNIST_MB,
        runtime=5,
    params:
        held_out=CONFIG.longtail.images.held_out,
        job=job("longtail:synthesize_triples", "longtail.network"),
    shell:
        rote(
            "longtail synthesize-triples --images {input.images:q} --out {output.out:q}"
            " --held-out {params.held_out}"
        )


rule longtail_train_network:
    input:
        images=f"{LONGTAIL}/images.parquet",
        triples=f"{LONGTAIL}/triples.parquet",
    output:
        out=f"{LONGTAIL}/network_{{architecture}}.parquet",
    log:
        "results/{run}/logs/longtail_train_network_{architecture}.log",
    benchmark:
        "results/{run}/benchmarks/longtail_train_network_{architecture}.tsv"
    priority: 10
    resources:
        gpu=1,
        mem_mb=at_scale(3000, 16000) + LONGTAIL_MNIST_MB,
        runtime=at_scale(20, 2880),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        job=job("longtail:train_network", "longtail.network"),
    shell:
        rote(
            "longtail train-network --architecture {wildcards.architecture}"
            " --images {input.images:q} --triples {input.triples:q} --out {output.out:q}",
            CHECKPOINTS,
        )


rule longtail_train_sizes:
    input:
        images=f"{LONGTAIL}/images.parquet",
        triples=f"{LONGTAIL}/triples.parquet",
    output:
        out=f"{LONGTAIL}/sizes.parquet",
    log:
        "results/{run}/logs/longtail_train_sizes.log",
    benchmark:
        "results/{run}/benchmarks/longtail_train_sizes.tsv"
    resources:
        gpu=1,
        mem_mb=1500 + LONGTAIL_MNIST_MB,
        runtime=at_scale(20, 2880),
    params:
        job=job("longtail:train_sizes", "longtail.network"),
    shell:
        rote(
            "longtail train-sizes --images {input.images:q} --triples {input.triples:q}"
            " --out {output.out:q}"
        )


rule longtail_train_scenes:
    output:
        out=f"{LONGTAIL}/scenes.parquet",
    log:
        "results/{run}/logs/longtail_train_scenes.log",
    benchmark:
        "results/{run}/benchmarks/longtail_train_scenes.tsv"
    resources:
        gpu=1,
        mem_mb=at_scale(1500, 6000),
        runtime=at_scale(20, 2880),
    params:
        job=job("longtail:train_scenes", "longtail.scenes"),
    shell:
        rote("longtail train-scenes --out {output.out:q}")


rule longtail_evaluate_networks:
    input:
        losses=expand(
            f"{LONGTAIL}/network_{{architecture}}.parquet",
            architecture=CONFIG.longtail.network.architectures,
            allow_missing=True,
        ),
    output:
        out=f"{LONGTAIL}/network.parquet",
        decays=f"{LONGTAIL}/decays.parquet",
    log:
        "results/{run}/logs/longtail_evaluate_networks.log",
    benchmark:
        "results/{run}/benchmarks/longtail_evaluate_networks.tsv"
    resources:
        gpu=0,
        mem_mb=1000,
        runtime=5,
    params:
        losses=lambda wildcards, input: [f"--losses={path}" for path in input.losses],
        job=job("longtail:evaluate_networks"),
    shell:
        rote(
            "longtail evaluate-networks {params.losses:q} --out {output.out:q}"
            " --decays {output.decays:q}"
        )


rule longtail_fit_kernel:
    input:
        images=f"{LONGTAIL}/images.parquet",
    output:
        triples=f"{LONGTAIL}/kernel_triples.parquet",
        out=f"{LONGTAIL}/kernel.parquet",
    log:
        "results/{run}/logs/longtail_fit_kernel.log",
    benchmark:
        "results/{run}/benchmarks/longtail_fit_kernel.tsv"
    resources:
        gpu=0,
        mem_mb=2000 + LONGTAIL_MNIST_MB,
        runtime=10,
    params:
        zipf=CONFIG.longtail.network.zipf,
        held_out=CONFIG.longtail.images.held_out,
        job_draw=job("longtail:synthesize_kernel_triples", "longtail.kernel"),
        job=job("longtail:fit_kernel", "longtail.kernel"),
    shell:
        in_turn(*LONGTAIL_KERNEL)
