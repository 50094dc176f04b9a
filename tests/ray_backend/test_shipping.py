"""Weights go to a worker's machine by the object store, where that machine lacks them."""

import dataclasses
import hashlib
from pathlib import Path

import pytest
import ray

from model.parts.backbones import BACKBONES
from model.parts.weights import Weights
from orchestrator.ray_backend import shipping

CONTENT = b"some weights"
SMALL = Weights("resnet18.pth", hashlib.sha256(CONTENT).hexdigest(), "MIT")


def _installed(weights) -> list[bytes]:
    """On a worker, whose cache is another: what it finds after each of two installations."""
    BACKBONES["resnet18"] = dataclasses.replace(BACKBONES["resnet18"], weights=SMALL)
    found = []
    for _ in range(2):
        shipping.install(weights)
        found.append(SMALL.find().read_bytes())
    return found


@pytest.mark.slow
def test_a_worker_writes_the_weights_that_its_machine_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "driver"))
    monkeypatch.setitem(BACKBONES, "resnet18", dataclasses.replace(BACKBONES["resnet18"], weights=SMALL))
    SMALL.keep(CONTENT)
    elsewhere = {"env_vars": {"TORCH_HOME": str(tmp_path / "worker")}}
    ray.init(address="local", num_cpus=1, include_dashboard=False, log_to_driver=False, runtime_env=elsewhere)
    try:
        weights = shipping.put_weights(["resnet18"])
        assert ray.get(ray.remote(_installed).remote(weights)) == [CONTENT, CONTENT]
    finally:
        ray.shutdown()
    assert (tmp_path / "worker" / "hub" / "checkpoints" / "resnet18.pth").read_bytes() == CONTENT
