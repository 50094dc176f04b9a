"""What a replica of a service has of its cluster."""

import pytest

from orchestrator.ray_backend.serving import Share, share


@pytest.mark.parametrize(
    ("replicas", "cpus", "gpus", "expected"),
    [
        (1, 2, 0, Share(2, 0.0)),
        (2, 2, 0, Share(1, 0.0)),
        (4, 2, 0, Share(1, 0.0)),
        (2, 16, 1, Share(8, 0.5)),
        (2, 16, 4, Share(8, 1.0)),
        (4, 16, 3, Share(4, 0.5)),  # two to a GPU, so that each finds its place
    ],
)
def test_replicas_share_cores_and_gpus(replicas, cpus, gpus, expected):
    assert share(replicas, cpus, gpus) == expected
