# The chain: from a corpus through pruning, training, memories and counts to what is known in the
# end.


include: "chain_inputs.smk"


rule chain_synthesize_corpus:
    output:
        worlds=[directory(path) for path in of_chain_worlds("worlds")],
    log:
        "results/{run}/logs/chain_synthesize_corpus.log",
    benchmark:
        "results/{run}/benchmarks/chain_synthesize_corpus.tsv"
    priority: 30
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 128000),
        runtime=at_scale(10, 1440),
    params:
        out=chain_folder("worlds"),
        job=job("chain:synthesize_corpus", "chain"),
    shell:
        rote("chain synthesize-corpus --out {params.out:q}")


rule chain_train_scorer:
    input:
        world=f"{CHAIN}/worlds/{{world}}",
    output:
        out=f"{CHAIN}/unpruned/{{world}}-{{width}}.safetensors",
    log:
        "results/{run}/logs/chain_train_scorer_{world}-{width}.log",
    benchmark:
        "results/{run}/benchmarks/chain_train_scorer_{world}-{width}.tsv"
    wildcard_constraints:
        world="|".join(CHAIN_WORLDS),
        width=r"\d+",
    priority: 30
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 128000),
        runtime=at_scale(20, 5760),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        job=job("chain:train_scorer", "chain"),
    shell:
        rote(
            "chain train-scorer --world {input.world:q} --width {wildcards.width}"
            " --out {output.out:q}",
            CHECKPOINTS,
        )


rule chain_prune_corpus:
    input:
        worlds=of_chain_worlds("worlds"),
        unpruned=of_chain_networks("unpruned", CHAIN_PRUNED),
    output:
        pruned=of_chain_networks("pruned", CHAIN_PRUNED),
        facts=f"{CHAIN}/facts.parquet",
        corpora=f"{CHAIN}/corpora.parquet",
    log:
        "results/{run}/logs/chain_prune_corpus.log",
    benchmark:
        "results/{run}/benchmarks/chain_prune_corpus.tsv"
    priority: 30
    resources:
        gpu=0,
        mem_mb=at_scale(2000, 128000),
        runtime=at_scale(10, 1440),
    params:
        at=chain_folder(""),
        job=job("chain:prune_corpus", "chain"),
    shell:
        rote(
            "chain prune-corpus --worlds {params.at}worlds --unpruned {params.at}unpruned"
            " --out {params.at}pruned --facts {output.facts:q} --corpora {output.corpora:q}"
        )


rule chain_train_model:
    input:
        world=f"{CHAIN}/worlds/{{world}}",
        pruned=f"{CHAIN}/pruned/{{world}}-{{width}}.safetensors",
    output:
        out=f"{CHAIN}/models/{{world}}-{{width}}.safetensors",
    log:
        "results/{run}/logs/chain_train_model_{world}-{width}.log",
    benchmark:
        "results/{run}/benchmarks/chain_train_model_{world}-{width}.tsv"
    wildcard_constraints:
        world="|".join(CHAIN_WORLDS),
        width=r"\d+",
    priority: 30
    resources:
        gpu=1,
        mem_mb=at_scale(2000, 128000),
        runtime=at_scale(20, 5760),
        checkpoint_steps=CONFIG.checkpoint_steps,
    params:
        job=job("chain:train_model", "chain"),
    shell:
        rote(
            "chain train-model --world {input.world:q} --pruned {input.pruned:q}"
            " --width {wildcards.width} --out {output.out:q}",
            CHECKPOINTS,
        )


rule chain_fit_residuals:
    input:
        worlds=of_chain_worlds("worlds"),
        facts=f"{CHAIN}/facts.parquet",
        unpruned=of_chain_networks("unpruned", CHAIN_PRUNED),
        models=of_chain_networks("models", CHAIN_PRUNED),
    output:
        residuals=of_chain_worlds("residuals", ".safetensors", ".parquet"),
    log:
        "results/{run}/logs/chain_fit_residuals.log",
    benchmark:
        "results/{run}/benchmarks/chain_fit_residuals.tsv"
    priority: 20
    resources:
        gpu=at_scale(int(CONFIG.chain.memory.engine == "torch"), 1),
        mem_mb=at_scale(2000, 64000),
        runtime=at_scale(10, 10080),
    params:
        job=job("chain:fit_residuals", "chain"),
    shell:
        in_turn(*chain_residuals())


rule chain_evaluate:
    input:
        worlds=of_chain_worlds("worlds"),
        unpruned=of_chain_networks("unpruned", CHAIN_STACKS),
        models=of_chain_networks("models", CHAIN_PRUNED),
        residuals=of_chain_worlds("residuals", ".safetensors", ".parquet"),
        facts=f"{CHAIN}/facts.parquet",
    output:
        [f"{CHAIN}/{table}.parquet" for table in chain_plan.EVALUATION_TABLES],
        counts=f"{CHAIN}/counts.parquet",
    log:
        "results/{run}/logs/chain_evaluate.log",
    benchmark:
        "results/{run}/benchmarks/chain_evaluate.tsv"
    priority: 10
    resources:
        gpu=0,
        mem_mb=at_scale(3000, 128000),
        runtime=at_scale(10, 2880),
    params:
        at=subpath(output[0], parent=True),
        job_count=job("chain:count_ngrams", "chain", seed=False),
        job=job("chain:evaluate", "chain"),
    shell:
        in_turn(*CHAIN_EVALUATION)
