"""A detector is built from a name, its parameters and a seed, and from nothing else."""

import pytest
import torch

from orchestrator.training import detectors
from orchestrator.training.selection import select

CPU = torch.device("cpu")
SHAPE = (3, 32, 32)


def weights(detector) -> torch.Tensor:
    return torch.cat([p.flatten() for network in detector.networks().values() for p in network.parameters()])


def test_what_the_parameters_leave_out_is_the_models_default():
    detector = detectors.build("ganomaly", {"lr": 0.5}, SHAPE, CPU)
    assert detector.hparams == type(detector).HParams(lr=0.5) and detector.image_shape == SHAPE


def test_parameters_that_the_model_refuses_are_said():
    with pytest.raises(ValueError, match="lr is 0.0"):
        detectors.build("ganomaly", {"lr": 0.0}, SHAPE, CPU)
    with pytest.raises(TypeError, match="depth"):
        detectors.build("ganomaly", {"depth": 3}, SHAPE, CPU)


def test_the_weights_of_a_jobs_detector_are_a_function_of_its_seed_alone(fabric, make_job):
    data, job = select(fabric, "holdout", 0, CPU), make_job("fabric", model=("ganomaly",), size_px=32)
    first = weights(detectors.of_job(job, {}, data, seed=1))
    torch.rand(5)  # others draw too
    assert torch.equal(weights(detectors.of_job(job, {}, data, seed=1)), first)
    assert not torch.equal(weights(detectors.of_job(job, {}, data, seed=2)), first)
