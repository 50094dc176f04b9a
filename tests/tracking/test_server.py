"""What an address is, and what becomes of a server that does not answer."""

import importlib.util
import os

import pytest

from orchestrator.errors import InputError
from orchestrator.tracking import server
from orchestrator.tracking.server import NotSentError, Server


@pytest.mark.parametrize("url", ["http://localhost:5000", "https://mlflow.example.com", "http://[::1]:5000/prefix"])
def test_an_address_is_mlflow_and_a_url(url):
    assert server.address(f"mlflow:{url}") == url


@pytest.mark.parametrize(
    "text",
    ["http://localhost:5000", "mlflow:localhost:5000", "mlflow:", "mlflow:http://", "mlflow:file:/tmp/runs",
     "mlflow:http://localhost:port", "wandb:http://localhost", ""],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line(text):
    with pytest.raises(InputError) as caught:
        server.address(text)
    assert str(caught.value) == f"{text!r} is no tracking server; mlflow:http://HOST:PORT is expected (or https)."


def test_without_the_extra_one_line_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"needs mlflow-skinny: pip install 'defectsweep\[track\]'"):
        server.address("mlflow:http://localhost:5000")


def test_a_server_that_is_down_or_silent_is_told_in_a_few_words(closed_port, silent):
    for address, why in ((closed_port, "Connection refused"), (silent, "Read timed out")):
        with pytest.raises(NotSentError) as caught:
            Server(address, "defectsweep/out", "output").begin("job", None, {}, None)
        assert str(caught.value) == why and not caught.value.is_refusal


def test_what_the_user_has_set_of_mlflow_stays(monkeypatch, closed_port):
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "77")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_NAME", "ours")
    assert Server(closed_port, "defectsweep/out", "output").experiment == "ours"
    assert os.environ["MLFLOW_HTTP_REQUEST_TIMEOUT"] == "77"
