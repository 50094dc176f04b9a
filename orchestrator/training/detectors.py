"""The one place where a detector is built from the name of its model and its hyper-parameters."""

from collections.abc import Mapping
from typing import Any

import torch

from model.catalog import MODELS
from model.contract import Detector
from orchestrator.errors import InputError
from orchestrator.experiment.config import Experiment, flag
from orchestrator.experiment.job import Job
from orchestrator.hashes import seed_of
from orchestrator.training.selection import Selection
from orchestrator.words import one_line
from search_spaces.catalog import PRESETS

CHANNELS = 3  # every picture is read as RGB


def build(
    model: str, params: Mapping[str, Any], image_shape: tuple[int, int, int], device: torch.device | str
) -> Detector:
    """A detector of images (C, H, W); what `params` leave out is the model's default. torch's generators draw its
    weights. Raises TypeError or ValueError for parameters or a shape that the model refuses."""
    kind = MODELS[model]
    return kind(kind.HParams(**params), image_shape, device)


def shape_only(model: str, params: Mapping[str, Any], image_shape: tuple[int, int, int]) -> Detector:
    """The same without memory for its weights, whatever their size: to learn their shapes, and whether it can be."""
    with torch.device("meta"):
        return build(model, params, image_shape, "meta")


def check(experiment: Experiment) -> None:
    """Raises InputError where a model cannot be built at one of the sizes, with what is fixed of its parameters: it
    names those that can. Nothing is allocated."""
    for size_px in experiment.size_px:
        refused = {name: why for name in experiment.model if (why := _refusal(experiment, name, size_px))}
        if refused:
            able = [flag("model") + f" {name}" for name in experiment.model if name not in refused]
            cure = f"another size, or {' '.join(able)}, which can" if able else "another size"
            raise InputError(
                f"--size-px {size_px}: {', '.join(refused)} cannot be built: {next(iter(refused.values()))}. "
                f"Name {cure}."
            )


def _refusal(experiment: Experiment, model: str, size_px: int) -> str | None:
    """Why there is no such detector at this size, for any of its presets; None where there is."""
    try:
        for preset in PRESETS[model].values():
            shape_only(model, {**preset, **experiment.fixed(model)}, (CHANNELS, size_px, size_px))
    except (ValueError, TypeError, RuntimeError) as error:
        return one_line(error)
    return None


def of_job(job: Job, params: Mapping[str, Any], data: Selection, seed: int) -> Detector:
    """The untrained detector of a job's trial or refit, where its images are; its weights are a function of `seed`."""
    torch.manual_seed(seed_of("weights", seed))
    height, width, channels = data.pixels.shape[1:]
    return build(job.model, params, (channels, height, width), data.pixels.device)
