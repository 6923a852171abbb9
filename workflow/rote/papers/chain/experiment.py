"""From worlds to trained networks and their hidden states: the first steps of the chain, one
function per rule.
"""

import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from rote.core.errors import InputError
from rote.core.job import track
from rote.core.tables import atomic
from rote.papers.chain import pruning, sequences, settings, world
from rote.papers.chain.memory import Rows
from rote.papers.chain.pruning import ABLATION, VARIANTS
from rote.papers.chain.sequences import Sequences
from rote.papers.chain.world import OWN, Line

Arrays = dict[str, np.ndarray]


class World(NamedTuple):
    """What a folder of a world says of itself."""

    folder: Path
    name: str
    load: float  # NaN for a text of the user's
    begin: int  # token that begins a text
    vocabulary: int
    length: int  # tokens of the longest line

    def lines(self, kind: str, replicate: int) -> list[Line]:
        """corpus, probes or facts of a replicate."""
        return world.read(self.folder / f"{kind}-{replicate}.jsonl")

    def facts(self, replicate: int) -> pd.DataFrame:
        return pd.DataFrame(self.lines("facts", replicate))

    def encode(self, lines: list[Line]) -> Sequences:
        return sequences.encode(lines, sequences.load(self.folder), self.begin, self.length)


def worlds(options: settings.Settings) -> list[str]:
    """Names of the worlds: one per load, or the user's text."""
    return [OWN] if options.corpus else [f"load-{load:g}" for load in options.world.loads]


def networks_of(options: settings.Settings) -> list[tuple[str, int]]:
    """(world, width) of every training; a model of the user's has width 0."""
    widths = [0] if options.model else [options.network.width]
    found = [(name, width) for name in worlds(options) for width in widths]
    if options.network.ladder and not options.model:
        found += [
            (ladder_world(options), width)
            for width in options.network.ladder
            if width not in widths
        ]
    return found


# ---- synthesize
# ------------------------------------------------------------------------------------------------------


def synthesize(options: settings.Settings, seed: int, folder: Path) -> None:
    """Write every world's corpus, questions, facts and tokenizer."""
    if options.corpus:
        from rote.papers.chain import own

        found = sequences.tokenizer_of(options)
        made = [
            own.make(options, found, seed, replicate)
            for replicate in range(options.world.replicates)
        ]
        _write(folder / OWN, OWN, np.nan, made, found.backend_tokenizer, _begin(found))
        return
    if options.model:
        from rote.models import pretrained

        found = pretrained.tokenizer(options.model)
        tokenizer, begin = found.backend_tokenizer, _begin(found)
    else:
        tokenizer, begin = sequences.word_level(world.words(options.world)), 0
    from rote.papers.chain import networks

    longest = 4 + max(options.world.value_tokens + 1, 2 * options.world.phrase - 1)
    size = networks.parameters(options, tokenizer.get_vocab_size(), longest, options.network.width)
    for load in options.world.loads:
        made = [
            world.make(options.world, load, size, seed, replicate)
            for replicate in range(options.world.replicates)
        ]
        name = f"load-{load:g}"
        _write(folder / name, name, load, made, tokenizer, begin)


def _begin(tokenizer: Any) -> int:
    found = (tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, 0)
    return next(number for number in found if number is not None)


def _write(
    folder: Path, name: str, load: float, made: list[world.Made], tokenizer: Any, begin: int
) -> None:
    about: dict[str, Any] = {"name": name, "load": None if np.isnan(load) else load, "begin": begin}
    about |= {"vocabulary": tokenizer.get_vocab_size()}
    about |= {
        kind: [] for kind in ("tokens", "documents", "facts", "facts_present", "statements", "bits")
    }
    longest = 0
    for replicate, one in enumerate(made):
        coded = tokenizer.encode_batch(
            [line["text"] for line in one.documents], add_special_tokens=False
        )
        asked = tokenizer.encode_batch(
            [line["text"] for line in one.probes], add_special_tokens=False
        )
        longest = max(longest, *(len(text.ids) for text in [*coded, *asked]))
        counts = one.facts["count"].to_numpy()
        about["tokens"].append(sum(len(text.ids) for text in coded))
        about["documents"].append(len(one.documents))
        about["facts"].append(len(counts))
        about["facts_present"].append(int((counts > 0).sum()))
        about["statements"].append(int(counts.sum()))
        about["bits"].append(float(one.facts.loc[counts > 0, "bits"].sum()))
        world.write(folder / f"corpus-{replicate}.jsonl", one.documents)
        world.write(folder / f"probes-{replicate}.jsonl", one.probes)
        world.write(folder / f"facts-{replicate}.jsonl", one.facts.to_dict("records"))
    with atomic(folder / "tokenizer.json") as path:
        tokenizer.save(str(path))
    with atomic(folder / "world.json") as path:
        path.write_text(json.dumps(about | {"length": longest + 1}, indent=1) + "\n")


def open_world(folder: Path) -> World:
    """A world that was written. Raises InputError if it is not whole."""
    try:
        about = json.loads((folder / "world.json").read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder} holds no world ({error}); run synthesize-corpus again"
        ) from error
    load = np.nan if about["load"] is None else float(about["load"])
    return World(folder, about["name"], load, about["begin"], about["vocabulary"], about["length"])


# ---- score and prune
# -------------------------------------------------------------------------------------------------


def score(
    options: settings.Settings,
    here: World,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
    every: int = 500,
) -> pd.DataFrame:
    """Losses of all facts under networks that were trained on everything: the table Scores."""
    from rote.papers.chain import networks

    replicates = range(options.world.replicates)
    names = [f"score {here.name} {replicate}" for replicate in replicates]
    stack = networks.build(
        options, here.vocabulary, here.length, options.network.width, names, seed, device
    )
    corpora = [here.encode(here.lines("corpus", replicate)) for replicate in replicates]
    weights = networks.fit(
        stack,
        corpora,
        names,
        options,
        options.network.scoring_steps,
        seed,
        device=device,
        checkpoint=checkpoint,
        every=every,
        what=f"{here.name}, scoring",
    )
    parts = []
    for replicate in replicates:
        asked = [line for line in here.lines("probes", replicate) if line["fact_id"] >= 0]
        losses = networks.ask(stack, weights, replicate, here.encode(asked)).losses
        frame = pd.DataFrame({"fact": [line["fact_id"] for line in asked], "loss": losses})
        parts.append(
            frame.groupby("fact", as_index=False)["loss"].mean().assign(replicate=replicate)
        )
    return pd.concat(parts, ignore_index=True)[["replicate", "fact", "loss"]]


def prune(
    options: settings.Settings, here: World, scores: pd.DataFrame, seed: int, folder: Path
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Write the pruned corpora as <variant>-<replicate>.jsonl; rows of the tables FactsTable and
    Corpora.
    """
    facts, corpora = [], []
    for replicate in range(options.world.replicates):
        known = here.facts(replicate)
        losses = (
            scores[scores["replicate"] == replicate]
            .set_index("fact")["loss"]
            .reindex(known["fact"])
        )
        documents = here.lines("corpus", replicate)
        chosen = {"none": documents}
        chosen |= pruning.choose(
            losses.to_numpy(), known, documents, options.flat, seed, here.name, replicate
        )
        chosen = {
            name: chosen[name] for name in variants_of(options, here.name, options.network.width)
        }
        stated = {name: pruning.kept_facts(lines) for name, lines in chosen.items()}
        for name in chosen:
            if name != "none":
                world.write(folder / f"{name}-{replicate}.jsonl", chosen[name])
            row = (len(chosen[name]), len(stated[name]), sum(stated[name].values()))
            corpora.append((here.name, replicate, name, *row))
        counts = {name: known["fact"].map(stated[name]).fillna(0).astype(int) for name in VARIANTS}
        present = counts["none"].to_numpy() > 0
        frame = known[["fact", "key", "value", "bits", "frequency"]].assign(
            count=counts["none"],
            loss=np.where(present, losses.to_numpy(), np.nan),
            random=counts["random"],
            kept=counts["loss"],
        )
        frame.insert(0, "replicate", replicate)
        frame.insert(0, "world", here.name)
        facts.append(frame)
    columns = ["world", "replicate", "variant", "documents", "facts", "statements"]
    return pd.concat(facts, ignore_index=True), pd.DataFrame(corpora, columns=columns)


def corpus(here: World, pruned: Path, variant: str, replicate: int) -> list[Line]:
    """The corpus of a variant."""
    return (
        here.lines("corpus", replicate)
        if variant == "none"
        else world.read(pruned / f"{variant}-{replicate}.jsonl")
    )


# ---- train and embed
# -------------------------------------------------------------------------------------------------


def variants_of(options: settings.Settings, name: str, width: int) -> tuple[str, ...]:
    """Corpora that networks of a width are trained on: the ladder does without the random one, and
    at its load there is the one that is flattened but chosen at random."""
    if width not in (0, options.network.width):
        return ("none", "loss")
    return (*VARIANTS, ABLATION) if name == ladder_world(options) else VARIANTS


def ladder_world(options: settings.Settings) -> str:
    """The world of the size ladder."""
    return OWN if options.corpus else f"load-{options.network.ladder_load:g}"


def names_of(options: settings.Settings, here: World, width: int) -> list[tuple[str, int]]:
    return [
        (variant, r)
        for variant in variants_of(options, here.name, width)
        for r in range(options.world.replicates)
    ]


def _stack(options: settings.Settings, here: World, width: int, seed: int, device: str):
    from rote.papers.chain import networks

    names = [
        f"{here.name} {variant} {replicate}"
        for variant, replicate in names_of(options, here, width)
    ]
    return networks.build(options, here.vocabulary, here.length, width, names, seed, device), names


def train(
    options: settings.Settings,
    here: World,
    pruned: Path,
    width: int,
    seed: int,
    device: str = "cpu",
    checkpoint: Path | None = None,
    every: int = 500,
) -> Arrays:
    """Train a network per corpus and replicate, with equally many steps: weights (networks, ...) by
    name.
    """
    from rote.papers.chain import networks

    stack, names = _stack(options, here, width, seed, device)
    corpora = [
        here.encode(corpus(here, pruned, variant, r))
        for variant, r in names_of(options, here, width)
    ]
    weights = networks.fit(
        stack,
        corpora,
        names,
        options,
        options.network.steps,
        seed,
        device=device,
        checkpoint=checkpoint,
        every=every,
        what=f"{here.name}, width {width}" if width else here.name,
    )
    return {name: value.cpu().numpy() for name, value in weights.items()}


def embed(
    options: settings.Settings,
    here: World,
    weights: Arrays,
    width: int,
    seed: int,
    device: str = "cpu",
) -> Arrays:
    """Hidden states that predict values: of every distinct statement, and of everything that is
    asked.

    Per network: `<variant>/<replicate>/statements`, `.../probes` (rows, d), and the head that reads
    them, `.../head` (vocabulary, d). Per replicate the token that each row predicts and the line
    that it belongs to.
    """
    import torch

    from rote.papers.chain import networks

    stack, _ = _stack(options, here, width, seed, device)
    given = {name: torch.tensor(value, device=device) for name, value in weights.items()}
    head = stack.head(given)
    found: Arrays = {"parameters": np.array([stack.size])}
    known: dict[tuple[int, str], Sequences] = {}
    for number, (variant, replicate) in enumerate(
        track(names_of(options, here, width), f"{here.name}: hidden states")
    ):
        for part in ("statements", "probes"):
            if (replicate, part) not in known:
                lines = here.lines("probes" if part == "probes" else "corpus", replicate)
                coded = here.encode(lines if part == "probes" else world.statements(lines))
                known[replicate, part] = coded
                rows, answers = np.nonzero(coded.mask > 0)
                found[f"{replicate}/{part}/items"] = rows
                found[f"{replicate}/{part}/targets"] = coded.targets[rows, answers].astype(np.int64)
            if part == "statements" and width not in (0, options.network.width):
                continue  # the ladder has no memories
            asked = networks.ask(stack, given, number, known[replicate, part])
            found[f"{variant}/{replicate}/{part}"] = asked.features
        found[f"{variant}/{replicate}/head"] = head[number].float().cpu().numpy()
    return found


def rows(found: Arrays, variant: str, replicate: int, part: str) -> Rows:
    """Rows of the statements or questions of one network."""
    return Rows(
        found[f"{variant}/{replicate}/{part}"],
        found[f"{replicate}/{part}/targets"],
        found[f"{replicate}/{part}/items"],
    )
