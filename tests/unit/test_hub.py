"""The hub out of reach: one line at once, from what lies on this machine."""

import socket

import pytest
from rote import ngrams
from rote.core.errors import InputError
from rote.data import corpora, hub
from rote.models import pretrained


@pytest.fixture
def tries(monkeypatch):
    """Where connections are tried to, all in vain."""
    for name in ("HF_HUB_OFFLINE", "HF_ENDPOINT", "HTTPS_PROXY", "https_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("all_proxy", raising=False)
    tried = []

    def refuse(address, *options, **more):
        tried.append(address)
        raise OSError("Name or service not known")

    monkeypatch.setattr(socket, "create_connection", refuse)
    hub.answers.cache_clear()
    yield tried
    hub.answers.cache_clear()


def test_names_that_are_no_folders_fail_after_one_try(tries, tmp_path):
    """Of models, tokenizers, data sets and streams: the hub's library would try for a minute."""
    corpus = tmp_path / "corpus"
    for attempt in (
        lambda: pretrained.causal("models/mine"),
        lambda: pretrained.tokenizer("models/mine"),
        lambda: ngrams.tokenize(["a"], corpus, ngrams.Analyser("token", tokenizer="models/mine")),
        lambda: corpora.files("hf:models/mine"),
        lambda: list(corpora.documents("stream:models/mine")),
    ):
        with pytest.raises(InputError, match="no folder models/mine, and the hub does not answer"):
            attempt()
    assert tries == [("huggingface.co", 443)]


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({"HF_ENDPOINT": "http://mirror.test:8080"}, ("mirror.test", 8080)),
        ({"https_proxy": "http://proxy.test:3128"}, ("proxy.test", 3128)),
        ({"https_proxy": "proxy.test"}, ("proxy.test", 80)),
        ({"https_proxy": "http://proxy.test", "no_proxy": "*"}, ("huggingface.co", 443)),
        ({"HF_HUB_OFFLINE": "1"}, None),
    ],
)
def test_what_is_asked_is_what_the_environment_names(tries, monkeypatch, variables, address):
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert not hub.answers()
    assert tries == ([address] if address else [])


def test_a_hub_that_takes_a_connection_answers(monkeypatch):
    with socket.create_server(("127.0.0.1", 0)) as server:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.getsockname()[1]}")
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        monkeypatch.delenv("HF_HUB_OFFLINE", raising=False)
        hub.answers.cache_clear()
        assert hub.answers()
    hub.answers.cache_clear()
