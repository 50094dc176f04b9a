"""A trained detector as two files: its networks' weights, without pickle, and, as JSON, how to build and use it; beside
them, for people, its card.

The description names the weights by their hash: where a run was killed between the two files, they are no pair. What is
read may be of anybody's making: it is checked against what a run could have written before any network is built, and
what is wrong with it is said in one line.
"""

import dataclasses
import functools
import hashlib
import io
import json
import math
import sys
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from datasets.frame import FITS, LARGEST_PX, Frame
from model.catalog import ENSEMBLE, KNOWN
from model.contract import Detector
from orchestrator.errors import InputError, choice
from orchestrator.metrics import looks
from orchestrator.results.rows import JobRow
from orchestrator.results.storage import Storage
from orchestrator.training import detectors, model_card
from orchestrator.training.measure import Measurement
from orchestrator.words import one_line

WEIGHTS, CONFIG = "weights.pt", "config.json"
CHOSE = "scores that chose"  # among the weights: the scores of the images that chose the threshold
LONGEST_SHOWN = 80  # letters of a wrong value
MOST_WHOLE = 1 << 16  # of a hyper-parameter that is a whole number
EXPECTED = f"A folder with {WEIGHTS} and {CONFIG} is expected, as 'defectsweep run' leaves in OUTPUT/checkpoints/JOB"

SHARES = (  # from 0 to 1
    "false_alarms", "false_alarms_most", "recall", "recall_low", "recall_high", "false_alarm_rate",
    "false_alarm_rate_low", "false_alarm_rate_high", "f1", "f1_of_all", "val_auc", "test_auc",
)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class Config:
    """How a detector is built, how it is used, and where it comes from. Raises InputError for what it cannot be."""

    model: str
    hparams: dict[str, Any]
    image_shape: tuple[int, int, int]  # (3, H, W): the frame that a picture is brought to
    size_px: int
    fit: str  # how a picture is brought to it
    tile_px: int | None = None  # side of the tiles that the detector sees of it; None where it sees it whole
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
    weights_sha256: str  # of the file of the weights: hex
    false_alarms: float | None = None  # their share that the threshold was chosen for; None: for the best F1
    false_alarms_most: float | None = None  # with 95 % confidence, by the validation normals alone
    val_normals: int | None = None
    recall: float | None = None  # on the test part, as all that follow
    recall_low: float | None = None
    recall_high: float | None = None
    false_alarm_rate: float | None = None
    false_alarm_rate_low: float | None = None
    false_alarm_rate_high: float | None = None
    f1: float | None = None
    f1_of_all: float | None = None  # of flagging everything
    looks: dict[str, Any] | None = None  # quantiles of what normal images look like; None in older ones

    def __post_init__(self) -> None:
        for name, hint in typing.get_type_hints(Config).items():
            _check_type(name, getattr(self, name), hint)
        choice("model", self.model, [*KNOWN, ENSEMBLE])
        choice("fit", self.fit, FITS)
        channels, height, width = self.image_shape
        if channels != 3 or not 1 <= min(height, width) <= max(height, width) <= LARGEST_PX:
            raise InputError(f"image_shape is {list(self.image_shape)}; [3, H, W] of up to {LARGEST_PX} is expected.")
        if not 1 <= self.size_px <= LARGEST_PX:
            raise InputError(f"size_px is {self.size_px}; from 1 to {LARGEST_PX} is expected.")
        if self.tile_px is not None and not 1 <= self.tile_px <= min(height, width):
            raise InputError(f"tile_px is {self.tile_px}; from 1 to the image's shorter side is expected.")
        if not (math.isfinite(self.threshold) and -math.inf < self.map_low <= self.map_high < math.inf):
            raise InputError("threshold, map_low and map_high are no finite numbers in order.")
        for name, value in _leaves("hparams", self.hparams):
            if isinstance(value, int) and abs(value) > MOST_WHOLE:
                raise InputError(f"{name} is out of all bounds; at most {MOST_WHOLE} is expected.")
        for name, quantiles in (self.looks or {}).items():
            _check_type(f"looks: {name}", quantiles, list)
            for value in quantiles:
                _check_type(f"looks: {name}", value, float)
            is_sound = len(quantiles) == len(looks.SHARES) and all(map(math.isfinite, quantiles))
            if name not in looks.KINDS or not is_sound or sorted(quantiles) != quantiles:
                raise InputError(f"looks: {name[:LONGEST_SHOWN]!r} has no {len(looks.SHARES)} quantiles in order.")
        for name in SHARES:
            if getattr(self, name) is not None and not 0 <= getattr(self, name) <= 1:
                raise InputError(f"{name} is {getattr(self, name)}; a share from 0 to 1 is expected.")

    @property
    def frame(self) -> Frame:
        """What a picture is brought to."""
        return Frame(*self.image_shape[1:], stretches=self.fit == "stretch")


@dataclass(frozen=True)
class Checkpoint:
    """What was read from `place`: a configuration, and the weights on the CPU."""

    place: str
    config: Config
    weights: dict[str, dict[str, Tensor]]

    def detector(self, device: torch.device | str) -> Detector:
        """The trained detector. Raises InputError where the weights are not those of the configuration."""
        shapes = self._build(detectors.shape_only)
        try:
            for name, network in shapes.networks().items():
                network.load_state_dict(self.weights[name], assign=True)
        except (KeyError, TypeError, AttributeError, RuntimeError) as error:
            raise InputError(
                f"{self.place}: {WEIGHTS} is not of the detector that {CONFIG} describes: {_line(error)}."
            ) from None
        detector = self._build(functools.partial(detectors.build, device=device))
        for name, network in detector.networks().items():
            network.load_state_dict(self.weights[name])
        return detector

    def scores_that_chose(self) -> tuple[np.ndarray, np.ndarray]:
        """Labels (V,) and scores (V,) of the images that chose its threshold. Raises InputError where it is too old to
        have kept them, and where they are no such scores."""
        try:
            kept = [self.weights[CHOSE][name].double().numpy() for name in ("normal", "defective")]
            labels = np.repeat([0, 1], [len(scores) for scores in kept])
            scores = np.concatenate(kept)
        except (KeyError, TypeError, AttributeError, ValueError, RuntimeError):
            raise InputError(
                f"{self.place} does not hold the scores of the pictures that chose its threshold: it is of an older "
                "version. Run it again with --fresh, or leave --threshold-at out."
            ) from None
        return labels, scores

    def _build(self, build: Callable[..., Detector]) -> Detector:
        config = self.config
        try:
            return build(config.model, config.hparams, config.image_shape, tile_px=config.tile_px)
        except (KeyError, IndexError, TypeError, ValueError, RuntimeError, MemoryError) as error:
            raise InputError(f"{self.place}: {CONFIG}: hparams of {config.model}: {_line(error)}.") from None


def files(detector: Detector, row: JobRow, measured: Measurement) -> dict[str, bytes]:
    """The files of a trained detector by their names."""
    weights = io.BytesIO()
    chose = {"normal": measured.normal_scores, "defective": measured.defect_scores}
    kept = {name: network.state_dict() for name, network in detector.networks().items()}
    torch.save({**kept, CHOSE: {name: torch.from_numpy(scores) for name, scores in chose.items()}}, weights)
    own = {
        "hparams": dataclasses.asdict(detector.hparams),
        "image_shape": detector.image_shape,
        "map_low": measured.map_low,
        "map_high": measured.map_high,
        "looks": measured.looks or None,
        "weights_sha256": hashlib.sha256(weights.getvalue()).hexdigest(),
    }
    taken = {f.name: getattr(row, f.name) for f in dataclasses.fields(Config) if f.name not in own}
    config = dataclasses.asdict(Config(**own, **taken))
    description = json.dumps(config, indent=2) + "\n"
    return {WEIGHTS: weights.getvalue(), CONFIG: description.encode(), model_card.NAME: model_card.card(row).encode()}


def load(storage: Storage, *folder: str) -> Checkpoint:
    """Reads both files from a folder below the storage's root. Raises InputError for what is missing, torn or wrong."""
    place = storage.uri(*folder)
    config, weights = _config(_read(storage, place, *folder, CONFIG), place), _read(storage, place, *folder, WEIGHTS)
    if hashlib.sha256(weights).hexdigest() != config.weights_sha256:
        raise InputError(
            f"{place}: {WEIGHTS} is not the file that {CONFIG} describes: it is torn, or of another training. "
            "Where files are cut short or missing, the same 'defectsweep run' makes them anew; else --fresh does."
        )
    return Checkpoint(place, config, _weights(weights, place))


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
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place}: {CONFIG} is no JSON: {_line(error)}. {EXPECTED}.") from None
    fields = {f.name for f in dataclasses.fields(Config)}
    needed = {f.name for f in dataclasses.fields(Config) if f.default is dataclasses.MISSING}
    missing = sorted(needed - set(values)) if isinstance(values, dict) else sorted(needed)
    if missing:
        raise InputError(f"{place}: {CONFIG} lacks {', '.join(missing)}. 'defectsweep run --fresh' makes it anew.")
    if isinstance(values["image_shape"], list):
        values["image_shape"] = tuple(values["image_shape"])
    try:
        return Config(**{name: values[name] for name in fields & set(values)})
    except InputError as error:
        raise InputError(f"{place}: {CONFIG}: {error}") from None


def _weights(content: bytes, place: str) -> dict[str, dict[str, Tensor]]:
    try:
        return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except Exception as error:  # torn bytes end in RuntimeError, EOFError, UnpicklingError, ValueError, ...
        raise InputError(f"{place}: {WEIGHTS} cannot be read: {_line(error)[:200]}. {EXPECTED}.") from None


def _leaves(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    """What lies in nested JSON, each with the name of its place."""
    inside = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list | tuple) else ()
    for key, own in inside:
        yield from _leaves(f"{name}: {key}", own)
    if not isinstance(value, dict | list | tuple):
        yield name, value


def _check_type(name: str, value: Any, hint: Any) -> None:
    """Raises InputError unless a value read from JSON is of the type `hint`: a plain type, one | None, or a tuple."""
    if isinstance(hint, types.UnionType):
        if value is None:
            return
        hint = next(kind for kind in typing.get_args(hint) if kind is not type(None))
    parts = typing.get_args(hint) if typing.get_origin(hint) is tuple else ()
    kind = typing.get_origin(hint) or hint
    is_right = isinstance(value, int | float if kind is float else kind) and not isinstance(value, bool)
    if is_right and kind is float and isinstance(value, int):
        is_right = abs(value) <= sys.float_info.max
    if not is_right or (parts and len(value) != len(parts)):
        raise InputError(f"{name} is {repr(value)[:LONGEST_SHOWN]}; {getattr(hint, '__name__', hint)} is expected.")
    for i, part in enumerate(parts):
        _check_type(f"{name}[{i}]", value[i], part)


def _line(error: Exception) -> str:
    return one_line(error).rstrip(".") or type(error).__name__
