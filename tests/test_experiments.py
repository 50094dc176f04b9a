"""The ready experiments: each is taken as it is, and names only what exists."""

import itertools

import pytest

from datasets.catalog import DATASETS
from model.catalog import MODELS
from orchestrator import CHECKOUT
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.reading import load

EXPERIMENTS = CHECKOUT / "experiments"
FILES = sorted(EXPERIMENTS.glob("*.yaml"))


def ready(name: str) -> Experiment:
    return load({}, str(EXPERIMENTS / name))[0]


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_it_loads_and_every_category_is_one_of_its_datasets(file):
    experiment, execution = load({}, str(file))
    known = {category for name in experiment.dataset for category in DATASETS[name].categories}
    assert set(experiment.category) <= known
    assert execution.data_root is None, "where the images lie is each machine's own"


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.name)
def test_every_detector_can_be_built_for_its_sizes(file):
    experiment, _ = load({}, str(file))
    for name, size_px in itertools.product(experiment.model, experiment.size_px):
        model = MODELS[name]
        model(model.HParams(**experiment.fixed(name)), (3, size_px, size_px), "cpu")


def test_the_papers_experiment_is_the_papers():
    paper = ready("paper.yaml")
    assert sum(len(DATASETS[name].categories) for name in paper.dataset) == 16 and not paper.category
    assert paper.epochs * paper.steps_per_epoch == 10_000
    assert paper.model == tuple(MODELS) and not paper.set


def test_the_small_experiment_compares_all_detectors_too():
    assert ready("small.yaml").model == tuple(MODELS)
