# In-context memorization of nonlinear attention (arXiv 2506.18656):
# theory, simulation, trained heads, real tokens.

ATTENTION = "results/{run}/attention"


rule attention_solve_curves:
    output:
        curves=f"{ATTENTION}/curves.parquet",
        phase=f"{ATTENTION}/phase.parquet",
        checks=f"{ATTENTION}/checks.parquet",
        embeddings=f"{ATTENTION}/embeddings.parquet",
    log:
        "results/{run}/logs/attention_solve_curves.log",
    benchmark:
        "results/{run}/benchmarks/attention_solve_curves.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 240),
    params:
        sweep_gamma=CONFIG.attention.simulation.sweep_gamma,
        job=job("attention:solve_curves", "attention.theory"),
        job_fit=job("attention:fit_embeddings", "attention.embeddings"),
    shell:
        in_turn(
            (
                "attention solve-curves --curves {output.curves:q} --phase {output.phase:q}"
                " --checks {output.checks:q} --sweep-gamma {params.sweep_gamma}",
                "job",
            ),
            ("attention fit-embeddings --out {output.embeddings:q}", "job_fit"),
        )


rule attention_simulate_contexts:
    output:
        out=f"{ATTENTION}/simulations.parquet",
    log:
        "results/{run}/logs/attention_simulate_contexts.log",
    benchmark:
        "results/{run}/benchmarks/attention_simulate_contexts.tsv"
    priority: 10
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(20, 2880),
    params:
        job=job("attention:simulate_contexts", "attention.simulation"),
    shell:
        rote("attention simulate-contexts --out {output.out:q}")


rule attention_simulate_variants:
    output:
        out=f"{ATTENTION}/variants.parquet",
        spectrum=f"{ATTENTION}/spectrum.parquet",
    log:
        "results/{run}/logs/attention_simulate_variants.log",
    benchmark:
        "results/{run}/benchmarks/attention_simulate_variants.tsv"
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 720),
    params:
        job=job("attention:simulate_variants", "attention.simulation"),
    shell:
        rote(
            "attention simulate-variants --out {output.out:q} --spectrum {output.spectrum:q}"
        )


rule attention_train_heads:
    output:
        out=f"{ATTENTION}/trained.parquet",
    log:
        "results/{run}/logs/attention_train_heads.log",
    benchmark:
        "results/{run}/benchmarks/attention_train_heads.tsv"
    priority: 5
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(10, 720),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        job=job("attention:train_heads", "attention.trained"),
    shell:
        rote("attention train-heads --out {output.out:q}", CHECKPOINTS)


rule attention_evaluate_heads:
    output:
        out=f"{ATTENTION}/heads.parquet",
    log:
        "results/{run}/logs/attention_evaluate_heads.log",
    benchmark:
        "results/{run}/benchmarks/attention_evaluate_heads.tsv"
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 16000),
        runtime=at_scale(20, 720),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        job=job("attention:evaluate_heads", "attention.heads"),
    shell:
        rote("attention evaluate-heads --out {output.out:q}", CHECKPOINTS)
