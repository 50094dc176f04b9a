"""What the tests of trials and of refits share."""

from collections.abc import Callable

import pytest
import torch

from datasets.images import Images
from orchestrator.experiment.job import TrialTask
from orchestrator.results.rows import TrialRow
from orchestrator.training import trial
from orchestrator.training.selection import Selections


@pytest.fixture(scope="session")
def train() -> Callable[[TrialTask, Images], TrialRow]:
    """Trains a trial to its end, on the CPU, and returns its row."""

    def train(task: TrialTask, images: Images) -> TrialRow:
        epochs = trial.train(task, images, Selections(torch.device("cpu")), 0.0)
        while True:
            try:
                next(epochs)
            except StopIteration as end:
                return end.value

    return train
