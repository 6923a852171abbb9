"""What makes devices fast gives the same numbers: fused attention, one loss to compile, graphs."""

import pytest
import torch
from rote import train
from rote.data.images import torchvision
from rote.models import causal_kernel
from rote.papers.cramless import text
from torch.nn import functional as F


def gpt2(attention: str):
    torchvision()
    from transformers import GPT2Config, GPT2LMHeadModel

    torch.manual_seed(0)
    sizes = {"n_positions": 12, "n_layer": 2, "n_head": 2, "n_embd": 16, "vocab_size": 30}
    ends = {"bos_token_id": None, "eos_token_id": None}
    return GPT2LMHeadModel(GPT2Config(**sizes, **ends, attn_implementation=attention)).eval()


def test_fused_attention_is_that_of_transformers_and_sees_no_mask(monkeypatch):
    tokens = torch.randint(30, (3, 12), generator=torch.Generator().manual_seed(1))
    masks = []
    kernel = F.scaled_dot_product_attention

    def spy(*arguments, **options):
        masks.append(options.get("attn_mask"))
        return kernel(*arguments, **options)

    monkeypatch.setattr(F, "scaled_dot_product_attention", spy)
    fused = gpt2(causal_kernel.register())(tokens, use_cache=False).logits
    assert masks == [None, None]
    plain = gpt2("eager")(tokens, use_cache=False).logits
    torch.testing.assert_close(fused, plain, rtol=1e-4, atol=1e-5)


@pytest.mark.filterwarnings("ignore::DeprecationWarning:torch.*")
def test_compiled_training_is_one_graph_with_a_causal_kernel_in_it():
    graphs = []

    def record(graph, inputs):
        graphs.append(graph)
        return graph.forward

    tokens = torch.randint(30, (3, 12), generator=torch.Generator().manual_seed(1))
    body = text.TokenLosses(gpt2(causal_kernel.register()))
    with torch.autocast("cpu", torch.bfloat16):
        torch.compile(body, backend=record)(tokens).sum().backward()
    (graph,) = graphs
    kernels = [node for node in graph.graph.nodes if "scaled_dot" in str(node.target)]
    assert [len(node.args) for node in kernels] == [3, 3]  # query, key and value: no mask
    assert all(node.kwargs["is_causal"] for node in kernels)


def test_token_losses_are_the_cross_entropy_of_the_next_tokens():
    tokens = torch.randint(30, (3, 12), generator=torch.Generator().manual_seed(1))
    model = gpt2(causal_kernel.register())
    losses = text.TokenLosses(model)(tokens)
    logits = model(tokens, use_cache=False).logits[:, :-1]
    reference = F.cross_entropy(logits.transpose(1, 2), tokens[:, 1:], reduction="none")
    torch.testing.assert_close(losses, reference)
    losses.sum().backward()
    assert all(value.grad is not None for value in model.parameters())


@pytest.mark.parametrize(
    ("vocabulary", "precision", "rows"),
    [(50_257, "bf16", 50_304), (64, "bf16", 64), (50_257, "float32", 50_257)],
)
def test_embeddings_have_whole_tiles_in_bf16(vocabulary, precision, rows):
    assert text.padded_vocabulary(vocabulary, precision) == rows


class Device(torch.Tensor):
    """A tensor of the CPU that says that it is on a device."""

    is_cuda = True


def device_tensors(count: int) -> list[Device]:
    return [torch.randn(2, 3).as_subclass(Device) for _ in range(count)]


def affine(parameters, x):
    return parameters["scale"] * x + parameters["shift"]


def test_graphs_serve_the_calls_that_they_were_recorded_for(monkeypatch):
    scale, shift, x = device_tensors(3)
    recorded = []

    def record(function, samples):
        recorded.append(samples)
        return lambda *arguments: function(*arguments) + 100

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", record)
    forward = train.captured(affine)
    parameters = {"scale": scale, "shift": shift}
    expected = affine(parameters, x)
    for _ in range(2):
        torch.testing.assert_close(forward(parameters, x), expected + 100)
    assert len(recorded) == 1
    assert recorded[0][0] is scale
    assert recorded[0][2] is not x  # later inputs are copied into the sample
    short = x[:1].as_subclass(Device)
    torch.testing.assert_close(forward(parameters, short), affine(parameters, short))
    with torch.no_grad():
        torch.testing.assert_close(forward(parameters, x), expected)
    assert len(recorded) == 1


def test_without_a_graph_kernels_are_launched_one_by_one(monkeypatch, caplog):
    def refuse(function, samples):
        raise RuntimeError("capture is not permitted\nin detail")

    monkeypatch.setattr(torch.cuda, "make_graphed_callables", refuse)
    scale, shift, x = device_tensors(3)
    forward = train.captured(affine)
    parameters = {"scale": scale, "shift": shift}
    for _ in range(2):
        torch.testing.assert_close(forward(parameters, x), affine(parameters, x))
    assert "capture is not permitted" in caplog.text
    plain = {name: torch.Tensor(value) for name, value in parameters.items()}
    torch.testing.assert_close(forward(plain, torch.Tensor(x)), affine(plain, torch.Tensor(x)))
