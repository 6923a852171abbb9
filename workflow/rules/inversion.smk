# Memorized priors in inverse problems: closed forms, forward operators, what a published rate
# measures.


include: "inversion_inputs.smk"


rule inversion_solve_stylized:
    output:
        [
            f"{INVERSION}/{table}.parquet"
            for table in ("stylized", "densities", "planes", "components")
        ],
        sampling=f"{INVERSION}/sampling.parquet",
    log:
        "results/{run}/logs/inversion_solve_stylized.log",
    benchmark:
        "results/{run}/benchmarks/inversion_solve_stylized.tsv"
    resources:
        gpu=0,
        mem_mb=4000,
        runtime=20,
    params:
        folder=subpath(output[0], parent=True),
        job=job("inversion:solve_stylized", "inversion.stylized", seed=False),
        job_sample=job("inversion:simulate_sampling", "inversion.stylized"),
    shell:
        in_turn(
            ("inversion solve-stylized --out {params.folder:q}", "job"),
            ("inversion simulate-sampling --out {output.sampling:q}", "job_sample"),
        )


rule inversion_solve_operators:
    input:
        models=f"{INVERSION}/library.parquet",
    output:
        out=f"{INVERSION}/operators.parquet",
        linearized=f"{INVERSION}/linearized.parquet",
        rates=f"{INVERSION}/rates.parquet",
        ratios=f"{INVERSION}/ratios.parquet",
    log:
        "results/{run}/logs/inversion_solve_operators.log",
    benchmark:
        "results/{run}/benchmarks/inversion_solve_operators.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(3000, 32000),
        runtime=at_scale(20, 600),
    params:
        job=job("inversion:solve_operators", "inversion.waveform.acquisition"),
        job_linear=job("inversion:solve_linearized", "inversion.waveform.acquisition"),
        job_rates=job("inversion:evaluate_rates", "inversion.waveform.models"),
    shell:
        in_turn(*INVERSION_OPERATORS)


rule inversion_simulate_schedules:
    input:
        models=f"{INVERSION}/library.parquet",
    output:
        out=f"{INVERSION}/schedules.parquet",
    log:
        "results/{run}/logs/inversion_simulate_schedules.log",
    benchmark:
        "results/{run}/benchmarks/inversion_simulate_schedules.tsv"
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        job=job("inversion:simulate_schedules", "inversion.waveform"),
    shell:
        rote(
            "inversion simulate-schedules --models {input.models:q} --out {output.out:q}"
        )


rule inversion_synthesize_models:
    output:
        out=f"{INVERSION}/library.parquet",
    log:
        "results/{run}/logs/inversion_synthesize_models.log",
    benchmark:
        "results/{run}/benchmarks/inversion_synthesize_models.tsv"
    priority: 30
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=10,
    params:
        job=job("inversion:synthesize_models", "inversion.waveform.models", seed=False),
    shell:
        rote("inversion synthesize-models --out {output.out:q}")


rule inversion_train_networks:
    input:
        models=f"{INVERSION}/library.parquet",
    output:
        out=f"{INVERSION}/networks/{{prediction}}.safetensors",
    log:
        "results/{run}/logs/inversion_train_networks_{prediction}.log",
    benchmark:
        "results/{run}/benchmarks/inversion_train_networks_{prediction}.tsv"
    wildcard_constraints:
        prediction="|".join(INVERSION_PREDICTIONS),
    priority: 20
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 64000),
        runtime=at_scale(10, 480),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        steps=CONFIG.inversion.waveform.diffusion.steps,
        schedule=CONFIG.inversion.waveform.diffusion.schedule,
        job=job("inversion:train_networks", "inversion.waveform.networks"),
    shell:
        rote(
            "inversion train-networks --prediction {wildcards.prediction}"
            " --models {input.models:q} --out {output.out:q} --steps {params.steps}"
            " --schedule {params.schedule}",
            CHECKPOINTS,
        )


rule inversion_evaluate_networks:
    input:
        models=f"{INVERSION}/library.parquet",
        networks=INVERSION_NETWORKS,
    output:
        networks=f"{INVERSION}/networks.parquet",
        samples=f"{INVERSION}/prior_samples.parquet",
    log:
        "results/{run}/logs/inversion_evaluate_networks.log",
    benchmark:
        "results/{run}/benchmarks/inversion_evaluate_networks.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 360),
    params:
        networks=inversion_all_networks_option,
        job=job("inversion:evaluate_networks", "inversion.waveform"),
    shell:
        rote(
            "inversion evaluate-networks {params.networks} --models {input.models:q}"
            " --out {output.networks:q} --samples {output.samples:q}"
        )


rule inversion_simulate_posteriors:
    input:
        models=f"{INVERSION}/library.parquet",
        networks=inversion_networks,
    output:
        samples=f"{INVERSION}/posteriors/samples_{{prior}}.parquet",
        descents=f"{INVERSION}/posteriors/descents_{{prior}}.parquet",
    log:
        "results/{run}/logs/inversion_simulate_posteriors_{prior}.log",
    benchmark:
        "results/{run}/benchmarks/inversion_simulate_posteriors_{prior}.tsv"
    wildcard_constraints:
        prior="|".join(INVERSION_PRIORS),
    priority: 10
    threads: at_scale(1, 16)
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 32000),
        runtime=at_scale(20, 28800),
    params:
        networks=inversion_networks_option,
        job=job("inversion:simulate_posteriors", "inversion.waveform"),
    shell:
        rote(
            "inversion simulate-posteriors --prior {wildcards.prior}"
            " --models {input.models:q} {params.networks} --samples {output.samples:q}"
            " --descents {output.descents:q}"
        )


rule inversion_evaluate_posteriors:
    input:
        models=f"{INVERSION}/library.parquet",
        parts=INVERSION_PARTS,
    output:
        [
            f"{INVERSION}/{table}.parquet"
            for table in ("samples", "descents", "scores", "lookups")
        ],
    log:
        "results/{run}/logs/inversion_evaluate_posteriors.log",
    benchmark:
        "results/{run}/benchmarks/inversion_evaluate_posteriors.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 360),
    params:
        parts=subpath(input[1], parent=True),
        folder=subpath(output[0], parent=True),
        job=job("inversion:evaluate_posteriors", "inversion.waveform"),
    shell:
        rote(
            "inversion evaluate-posteriors --parts {params.parts:q}"
            " --models {input.models:q} --out {params.folder:q}"
        )


rule inversion_simulate_time_domain:
    output:
        out=f"{INVERSION}/time_domain.parquet",
    log:
        "results/{run}/logs/inversion_simulate_time_domain.log",
    benchmark:
        "results/{run}/benchmarks/inversion_simulate_time_domain.tsv"
    priority: 5
    resources:
        gpu=0,
        mem_mb=2000,
        runtime=at_scale(10, 240),
    params:
        job=job("inversion:simulate_time_domain", "inversion.time_domain"),
    shell:
        rote("inversion simulate-time-domain --out {output.out:q}")
