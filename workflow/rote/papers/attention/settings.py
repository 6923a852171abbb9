"""Config section of the nonlinear-attention paper."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from rote.core.section import PaperSection, Section, key, left_out

Positive = Annotated[float, Field(gt=0)]
Size = Annotated[int, Field(ge=8)]


class AttentionTheory(Section):
    """Theory curves and the phase map: how fine their grids are."""

    curve: int = key(37, "Points of a curve", ge=8)
    phase: int = key(48, "Points per side of the phase map", ge=6)

    SCALES: ClassVar = {"smoke": {"curve": 13, "phase": 10}, "paper": {"curve": 145, "phase": 200}}


class AttentionSimulation(Section):
    """Contexts at finite size: the markers of the figures and the rows that theory is tested on."""

    tokens: int = key(512, "Tokens n of most rows; the dimension p follows from p/n", ge=16)
    sweep_tokens: int = key(
        512, "Tokens n of the sweep over the dimension (4096 in the paper)", ge=16
    )
    sweep_gamma: float = key(1e-5, "Ridge of the sweeps over dimension and signal", gt=0)
    snr_tokens: int = key(
        512, "Tokens n of the sweep over the signal, p = n/4 (2048 in the paper)", ge=16
    )
    limit_tokens: int = key(
        512, "Largest n at which theory and simulation are compared without signal", ge=64
    )
    replicates: int = key(
        10, "Contexts per row; half as many in figures that average over labels", ge=2
    )
    crossings: bool = key(False, "Also the ridges at which the gap closes, five times the contexts")

    SCALES: ClassVar = {
        "smoke": {
            "tokens": 64,
            "sweep_tokens": 64,
            "snr_tokens": 64,
            "limit_tokens": 64,
            "replicates": 2,
            "crossings": True,
        },
        "full": {"snr_tokens": 1024, "limit_tokens": 1024, "replicates": 12, "crossings": True},
        "paper": {
            "tokens": 2048,
            "sweep_tokens": 4096,
            "snr_tokens": 2048,
            "limit_tokens": 4096,
            "replicates": 20,
            "crossings": True,
        },
    }


class AttentionTrained(Section):
    """Attention weights learnt by gradient descent (our extension): w_K and w_Q of unit length."""

    tokens: int = key(96, "Tokens n of a training context", ge=8)
    p: int = key(192, "Dimension of a token", ge=8)
    mu2: float = key(4.0, "||μ||² of the signal", gt=0)
    gammas: list[Positive] = key([1.0, 4.0], "Ridges at which a head is trained", min_length=1)
    contexts: int = key(4, "Fresh contexts per step", ge=1)
    steps: int = key(250, "Steps of Adam on the unit spheres", ge=1)
    learning_rate: float = key(0.01, "Peak of the cosine schedule", gt=0)
    held_out: int = key(16, "Fresh contexts to evaluate on", ge=2)
    replicates: int = key(8, "Initializations, each with its own contexts", ge=2)

    SCALES: ClassVar = {
        "smoke": {"tokens": 24, "p": 48, "steps": 20, "held_out": 4, "replicates": 2},
        "paper": {"tokens": 512, "p": 1024, "steps": 4000, "held_out": 64, "replicates": 20},
    }


class AttentionHeads(Section):
    """Heads of small language models that the run trains, on their activations (our extension)."""

    width: int = key(64, "Of the models, GPT-NeoX decoders", ge=4)
    layers: int = key(2, "Layers", ge=1)
    heads: int = key(4, "Heads of a layer", ge=1)
    length: int = key(64, "Tokens of a window of text", ge=4)
    documents: int = key(4000, "Generated biographies that they read", ge=10)
    steps: int = key(200, "Steps of AdamW on 8 windows", ge=1)
    tokens: int = key(128, "Tokens n of a context, all of different words", ge=16)
    gammas: list[Positive] = key([0.01, 0.1, 1.0], "Ridges", min_length=1)
    functions: list[Literal["linear", "tanh", "exp_clip", "softmax"]] = key(
        ["tanh", "softmax"], "Nonlinearities", min_length=1
    )
    orders: list[Annotated[int, Field(ge=1, le=9)]] = key(
        [1, 3],
        "Orders of the polynomial in the scores beside which the rest is noise",
        min_length=1,
    )
    replicates: int = key(8, "Models, from initializations of their own", ge=2)

    SCALES: ClassVar = {
        "smoke": {
            "width": 16,
            "layers": 1,
            "heads": 2,
            "length": 16,
            "documents": 200,
            "steps": 4,
            "tokens": 32,
            "replicates": 2,
        },
        "paper": {
            "width": 256,
            "layers": 4,
            "length": 128,
            "documents": 20000,
            "steps": 2000,
            "tokens": 512,
        },
    }

    @model_validator(mode="after")
    def _divides(self):
        if self.width % self.heads:
            raise ValueError(f"width ({self.width}) must be a multiple of heads ({self.heads})")
        return self


class AttentionEmbeddings(Section):
    """Real inputs as tokens: scanned digits, or the token embeddings of a language model."""

    source: Literal["digits", "model"] = key(
        "digits",
        "digits: 8x8 scans, their parity as label; model: rows of a token-embedding matrix",
        source=True,
    )
    model: str = key(
        "", "Hugging Face id, or folder with config.json and weights; only for model", source=True
    )
    revision: str = key("main", "Revision of the model on the hub")
    offline: bool = key(False, "Never ask the hub: `model` is a folder or already in the cache")
    tokens: int = key(256, "Tokens per context", ge=16)
    gammas: list[Positive] = key([0.01, 0.1, 1.0, 10.0, 100.0], "Ridges", min_length=1)
    functions: list[Literal["linear", "tanh", "exp_clip", "cos_c"]] = key(
        ["linear", "tanh", "exp_clip", "cos_c"], "Nonlinearities", min_length=1
    )
    replicates: int = key(10, "Random contexts", ge=2)

    SCALES: ClassVar = {
        "smoke": {"tokens": 64, "replicates": 2},
        "paper": {"source": "model", "model": "EleutherAI/pythia-160m", "tokens": 2048},
    }

    @model_validator(mode="after")
    def _model(self):
        if self.source == "model" and not self.model:
            raise ValueError("source is model, so `model` must name a Hugging Face id or a folder")
        return self


class Settings(PaperSection):
    """A random matrix analysis of in-context memorization for nonlinear attention"""

    leave_out: list[str] = left_out("trained", "variants", "spectrum", "heads")
    theory: AttentionTheory = key(AttentionTheory)
    simulation: AttentionSimulation = key(AttentionSimulation)
    trained: AttentionTrained = key(AttentionTrained)
    embeddings: AttentionEmbeddings = key(AttentionEmbeddings)
    heads: AttentionHeads = key(AttentionHeads)

    SCALES: ClassVar = {"full": {"leave_out": []}}
