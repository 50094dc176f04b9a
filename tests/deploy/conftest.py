"""What the tests of a detector in use share."""

from collections.abc import Callable

import pytest

from orchestrator.results.storage import Storage
from orchestrator.training import checkpoint
from orchestrator.training.checkpoint import Checkpoint


@pytest.fixture(scope="session")
def load(make_checkpoint, tmp_path_factory) -> Callable[..., Checkpoint]:
    """A checkpoint as it is read from its folder; arguments are those of `make_checkpoint`."""

    def load(model: str = "mean_image", **columns) -> Checkpoint:
        folder = tmp_path_factory.mktemp("detector")
        for name, content in make_checkpoint(model, **columns)[1].items():
            (folder / name).write_bytes(content)
        return checkpoint.load(Storage(str(folder)))

    return load
