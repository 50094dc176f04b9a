"""What can be known of a detector before any is built."""

import pytest
import torch

from model.catalog import MODELS
from orchestrator.errors import InputError
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Sized
from orchestrator.training import detectors


def squares(asked: Experiment) -> list[Sized]:
    return [Sized(model, size_px) for size_px in asked.size_px for model in asked.model]


@pytest.mark.parametrize("size_px", [7, 100])
def test_a_size_that_some_models_cannot_take_is_refused_with_those_that_can(size_px):
    asked = Experiment(model=("ganomaly", "mean_image", "sagan", "patch_gaussian"), size_px=(64, size_px))
    with pytest.raises(
        InputError, match=f"^--size-px {size_px}: ganomaly, sagan cannot be built: image_shape"
    ) as raised:
        detectors.check(asked, squares(asked))
    assert "another size, or --model mean_image --model patch_gaussian, which can" in str(raised.value)


def test_a_size_that_no_model_can_take_is_refused():
    with pytest.raises(InputError, match="egbad cannot be built: .*or name another size.$"):
        detectors.check(asked := Experiment(model=("egbad",), size_px=(100,)), squares(asked))


def test_every_model_can_be_built_at_the_default_size():
    detectors.check(asked := Experiment(model=tuple(MODELS)), squares(asked))


def test_of_a_detector_of_any_size_the_shapes_take_no_memory():
    detector = detectors.shape_only("ganomaly", {}, (3, 4096, 4096))
    assert {p.device for p in detector.networks()["generator"].parameters()} == {torch.device("meta")}
