import socket

import pytest

pytest.importorskip("mlflow")


@pytest.fixture
def silent():
    """The address of a server that takes every connection and never answers; MLflow's client is short of patience."""
    with socket.create_server(("127.0.0.1", 0)) as listening, pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


@pytest.fixture
def closed_port():
    """An address where nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
    return address
