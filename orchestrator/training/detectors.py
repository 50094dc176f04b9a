"""The one place where a detector is built from the name of its model and its hyper-parameters."""

from collections.abc import Iterable, Mapping
from typing import Any

import torch

from model.anomalib_names import why_not
from model.catalog import ENSEMBLE, KNOWN
from model.contract import Detector
from model.ensemble import Ensemble
from model.ensemble import HParams as EnsembleHParams
from model.parts.tiled import Tiled
from orchestrator.errors import InputError
from orchestrator.experiment.config import Experiment, flag
from orchestrator.experiment.job import Job, Sized
from orchestrator.hashes import seed_of
from orchestrator.training import backbone_weights
from orchestrator.training.compiled import compile_steps
from orchestrator.training.selection import Selection
from orchestrator.words import one_line
from search_spaces.catalog import PRESETS

CHANNELS = 3  # every picture is read as RGB


def build(
    model: str,
    params: Mapping[str, Any],
    image_shape: tuple[int, int, int],
    device: torch.device | str,
    tile_px: int | None = None,
) -> Detector:
    """A detector of images (C, H, W), which it sees in tiles if it is told their side; what `params` leave out is the
    model's default. torch's generators draw its weights. Raises TypeError or ValueError for parameters or a shape that
    the model refuses."""
    if model == ENSEMBLE:
        described = tuple(params["members"])
        members = [build(one["model"], one["hparams"], image_shape, device, one["tile_px"]) for one in described]
        return Ensemble(EnsembleHParams(described), members)
    if why := why_not(model):
        raise ValueError(f"{model} cannot be run: {why}")
    kind = KNOWN[model]
    seen = image_shape if tile_px is None else (image_shape[0], tile_px, tile_px)
    detector = kind(kind.HParams(**params), seen, device)
    return detector if tile_px is None else Tiled(detector, image_shape)


def shape_only(
    model: str, params: Mapping[str, Any], image_shape: tuple[int, int, int], tile_px: int | None = None
) -> Detector:
    """The same without memory for its weights, whatever their size: to learn their shapes, and whether it can be. Only
    anomalib's models are built whole all the same, for their constructors pass images through them."""
    with torch.device("meta"):
        return build(model, params, image_shape, "meta", tile_px)


def check(experiment: Experiment, asked: Iterable[Sized]) -> None:
    """Raises InputError where a model cannot be built at a size and shape asked for, with what is fixed of its
    parameters: it names those that can. Nothing is allocated. A model whose backbone a run has yet to fetch passes."""
    by_size: dict[str, dict[str, str | None]] = {}  # model -> why not
    for sized in asked:
        shape = f" ({sized.in_words()})" if sized.shape_px else ""
        by_size.setdefault(f"--size-px {sized.size_px}{shape}", {})[sized.model] = _refusal(experiment, sized)
    for size, models in by_size.items():
        refused = {name: why for name, why in models.items() if why}
        if refused:
            able = [flag("model") + f" {name}" for name in models if name not in refused]
            cure = f"another size, or {' '.join(able)}, which can" if able else "another size"
            why = next(iter(refused.values()))
            raise InputError(f"{size}: {', '.join(refused)} cannot be built: {why}. Mend that, or name {cure}.")


def _refusal(experiment: Experiment, sized: Sized) -> str | None:
    """Why there is no such detector, for any of its presets; None where there is, or its backbone is yet to come."""
    if backbone_weights.to_fetch(experiment, [sized.model]):
        return None
    shape = (CHANNELS, *(sized.shape_px or (sized.size_px, sized.size_px)))
    try:
        for preset in PRESETS[sized.model].values():
            shape_only(sized.model, {**preset, **experiment.fixed(sized.model)}, shape, sized.tile_px)
    except (ValueError, TypeError, RuntimeError) as error:
        return one_line(error)
    return None


def of_job(job: Job, params: Mapping[str, Any], data: Selection, seed: int) -> Detector:
    """The untrained detector of a job's trial or refit, where its images are; its weights are a function of `seed`. Its
    steps are compiled where that is asked for."""
    torch.manual_seed(seed_of("weights", seed))
    height, width, channels = data.pixels.shape[1:]
    detector = build(job.model, params, (channels, height, width), data.pixels.device, job.tile_px)
    if job.experiment.compile:
        compile_steps(detector)
    return detector
