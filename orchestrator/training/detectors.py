"""The one place where a detector is built from the name of its model and its hyper-parameters."""

from collections.abc import Mapping
from typing import Any

import torch

from model.catalog import MODELS
from model.contract import Detector
from orchestrator.experiment.job import Job
from orchestrator.hashes import seed_of
from orchestrator.training.selection import Selection


def build(
    model: str, params: Mapping[str, Any], image_shape: tuple[int, int, int], device: torch.device | str
) -> Detector:
    """A detector of images (C, H, W); what `params` leave out is the model's default. torch's generators draw its
    weights. Raises TypeError or ValueError for parameters or a shape that the model refuses."""
    kind = MODELS[model]
    return kind(kind.HParams(**params), image_shape, device)


def of_job(job: Job, params: Mapping[str, Any], data: Selection, seed: int) -> Detector:
    """The untrained detector of a job's trial or refit, where its images are; its weights are a function of `seed`."""
    torch.manual_seed(seed_of("weights", seed))
    height, width, channels = data.pixels.shape[1:]
    return build(job.model, params, (channels, height, width), data.pixels.device)
