"""A trained detector as two files: its networks' weights, without pickle, and, as JSON, how to build and use it.

What is read may be of anybody's making: it is checked, and what is wrong with it is said in one line.
"""

import dataclasses
import io
import json
import math
import types
import typing
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from datasets.frame import FITS, Frame, frame_of
from model.catalog import MODELS
from model.contract import Detector
from orchestrator.errors import InputError, choice
from orchestrator.experiment.job import Job
from orchestrator.results.rows import JobRow
from orchestrator.results.storage import Storage
from orchestrator.training import detectors
from orchestrator.words import one_line

WEIGHTS, CONFIG = "weights.pt", "config.json"
EXPECTED = f"A folder with {WEIGHTS} and {CONFIG} is expected, as 'defectsweep run' leaves in OUTPUT/checkpoints/JOB"


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a detector is built, how it is used, and where it comes from. Raises InputError for what it cannot be."""

    model: str
    hparams: dict[str, Any]
    image_shape: tuple[int, int, int]  # (3, S, S)
    fit: str  # how a picture becomes a square
    threshold: float  # a picture of this score or more is defective; chosen on selection_split
    map_low: float  # of selection_split's maps the least value, and the highest but 0.1 %: the ends of a colour scale
    map_high: float
    job_id: str
    dataset: str
    category: str
    seed: int
    protocol: str
    selection_split: str
    val_auc: float | None
    test_auc: float | None
    data_hash: str | None
    split_hash: str | None
    git_commit: str | None
    torch_version: str | None

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(Config).items():
            _check_type(name, getattr(self, name), hint)
        choice("model", self.model, list(MODELS))
        choice("fit", self.fit, FITS)
        channels, height, width = self.image_shape
        if channels != 3 or height != width or height < 1:
            raise InputError(f"image_shape is {list(self.image_shape)}; [3, S, S] is expected.")
        if not (math.isfinite(self.threshold) and -math.inf < self.map_low <= self.map_high < math.inf):
            raise InputError("threshold, map_low and map_high are no finite numbers in order.")

    @property
    def size_px(self) -> int:
        """S, the side of the square that the detector sees."""
        return self.image_shape[1]

    @property
    def frame(self) -> Frame:
        """What a picture is brought to."""
        return frame_of(self.fit, self.size_px)


@dataclass(frozen=True)
class Checkpoint:
    """What was read from `place`: a configuration, and the weights on the CPU."""

    place: str
    config: Config
    weights: dict[str, dict[str, Tensor]]

    def detector(self, device: torch.device | str) -> Detector:
        """The trained detector. Raises InputError where the weights are not those of the configuration."""
        config = self.config
        try:
            detector = detectors.build(config.model, config.hparams, config.image_shape, device)
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.place}: {CONFIG}: hparams of {config.model}: {_line(error)}.") from None
        try:
            for name, network in detector.networks().items():
                network.load_state_dict(self.weights[name])
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise InputError(
                f"{self.place}: {WEIGHTS} is not of the detector that {CONFIG} describes: {_line(error)}."
            ) from None
        return detector


def files(detector: Detector, row: JobRow, job: Job, map_low: float, map_high: float) -> dict[str, bytes]:
    """The two files of a trained detector by their names."""
    weights = io.BytesIO()
    torch.save({name: network.state_dict() for name, network in detector.networks().items()}, weights)
    own = {
        "hparams": dataclasses.asdict(detector.hparams),
        "image_shape": detector.image_shape,
        "fit": job.experiment.fit,
        "map_low": map_low,
        "map_high": map_high,
    }
    taken = {f.name: getattr(row, f.name) for f in dataclasses.fields(Config) if f.name not in own}
    config = dataclasses.asdict(Config(**own, **taken))
    return {WEIGHTS: weights.getvalue(), CONFIG: (json.dumps(config, indent=2) + "\n").encode()}


def load(storage: Storage, *folder: str) -> Checkpoint:
    """Reads both files from a folder below the storage's root. Raises InputError for what is missing, torn or wrong."""
    place = storage.uri(*folder)
    return Checkpoint(place, _config(_read(storage, place, *folder, CONFIG), place), _weights(storage, place, folder))


def _read(storage: Storage, place: str, *parts: str) -> bytes:
    try:
        content = storage.read(*parts)
    except PermissionError as error:
        raise InputError(f"{place}: {parts[-1]} cannot be read ({error.strerror}). Give yourself the right.") from None
    if content is None:
        raise InputError(f"{place} holds no {parts[-1]}. {EXPECTED}.")
    return content


def _config(content: bytes, place: str) -> Config:
    try:
        values = json.loads(content)
    except ValueError as error:
        raise InputError(f"{place}: {CONFIG} is no JSON: {_line(error)}. {EXPECTED}.") from None
    fields = {f.name for f in dataclasses.fields(Config)}
    missing = sorted(fields - set(values)) if isinstance(values, dict) else sorted(fields)
    if missing:
        raise InputError(f"{place}: {CONFIG} lacks {', '.join(missing)}. 'defectsweep run --fresh' makes it anew.")
    if isinstance(values["image_shape"], list):
        values["image_shape"] = tuple(values["image_shape"])
    try:
        return Config(**{name: values[name] for name in fields})
    except InputError as error:
        raise InputError(f"{place}: {CONFIG}: {error}") from None


def _weights(storage: Storage, place: str, folder: tuple[str, ...]) -> dict[str, dict[str, Tensor]]:
    content = _read(storage, place, *folder, WEIGHTS)
    try:
        return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # torn bytes end in RuntimeError, EOFError, UnpicklingError, ValueError, ...
        raise InputError(f"{place}: {WEIGHTS} cannot be read: {_line(error)[:200]}. {EXPECTED}.") from None


def _check_type(name: str, value: Any, hint: Any) -> None:
    """Raises InputError unless a value read from JSON is of the type `hint`: a plain type, one | None, or a tuple."""
    if isinstance(hint, types.UnionType):
        if value is None:
            return
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    parts = typing.get_args(hint) if typing.get_origin(hint) is tuple else ()
    kind = typing.get_origin(hint) or hint
    is_right = isinstance(value, int | float if kind is float else kind) and not isinstance(value, bool)
    if not is_right or (parts and len(value) != len(parts)):
        raise InputError(f"{name} is {value!r}; {getattr(hint, '__name__', hint)} is expected.")
    for i, part in enumerate(parts):
        _check_type(f"{name}[{i}]", value[i], part)


def _line(error: Exception) -> str:
    return one_line(error).rstrip(".") or type(error).__name__
