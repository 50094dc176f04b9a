"""A trained detector in Python: chosen and built as `predict` does it, and it judges as `predict` does."""

import contextlib
import functools
import os
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from PIL import Image

import orchestrator.deploy.choose as choose
import orchestrator.deploy.heat_maps as heat_maps
import orchestrator.deploy.threshold_wish as threshold_wish
from model.contract import Detector
from orchestrator.deploy.judging import Prediction, Source, Times, judged, pictures_of, predictions, source
from orchestrator.deploy.lookout import Lookout
from orchestrator.deploy.threshold_wish import Wish
from orchestrator.errors import InputError
from orchestrator.results.output import Output
from orchestrator.results.row_files import to_table
from orchestrator.training.checkpoint import Checkpoint

Picture = str | os.PathLike | np.ndarray  # a file, or upright uint8 RGB (H, W, 3), or grey (H, W)
PIXELS = "uint8 of the shape (H, W, 3), RGB, or (H, W), grey, is expected"


@dataclass(frozen=True, repr=False)
class TrainedDetector:
    """A detector of a sweep, ready to judge. `meaning` is what another threshold than its own means, in lines."""

    checkpoint: Checkpoint
    network: Detector
    meaning: tuple[str, ...] = ()

    def __repr__(self) -> str:
        config = self.checkpoint.config
        return f"<{config.model} of {config.category} ({config.dataset}), defective from {self.threshold:.4g} on>"

    @property
    def threshold(self) -> float:
        """A picture of this score or more is defective."""
        return self.checkpoint.config.threshold

    @functools.cached_property
    def lookout(self) -> Lookout:
        """Sees all that is judged, call after call."""
        return Lookout(self.checkpoint.config)

    def judge(self, pictures: Picture | Iterable[Picture]) -> pd.DataFrame:
        """A row for each picture, in order: the columns of predictions.csv but for the heat map. Of an array, `path` is
        its place among the pictures; a folder stands for the pictures in it. What cannot be read or scored is a row
        with its `error`. Raises InputError for a path that is not there, and an array that is no picture.

        Warns, once of each change, where pictures no longer look like those that the detector learned from: most of 20
        in a row, of one call or of many, or of a call's 5 to 19."""
        own = list(_sources(pictures))
        config, see = self.checkpoint.config, self.lookout.see
        rows = predictions(self.network, config, own, Path(), maps="none", times=Times(), see=see)
        if len(rows) > 1:
            self.lookout.end()
        for line in self.lookout.news():
            warnings.warn(line, stacklevel=2)
        return to_table(Prediction, rows).to_pandas().drop(columns="heat_map")

    def heat_map(self, picture: Picture) -> Image.Image:
        """The picture beside itself under its heat map, as `predict` draws it. Raises InputError where it cannot be
        judged."""
        (own,) = _sources([picture])
        with ThreadPoolExecutor(1) as pool:
            ((one,),) = judged(self.network, self.checkpoint.config, [own], pool, Times())
        if one.row.error is not None:
            raise InputError(f"{one.row.path} cannot be judged: {one.row.error}")
        return heat_maps.drawing(one.shown, one.heat, self.checkpoint.config, one.row.score)


def load(
    output: str | os.PathLike = "results",
    *,
    checkpoint: str | os.PathLike | None = None,
    dataset: str | None = None,
    category: str | None = None,
    model: str | None = None,
    protocol: str | None = None,
    threshold_at: str | None = None,
    device: torch.device | str | None = None,
    tell: Callable[[str], object] = warnings.warn,
) -> TrainedDetector:
    """The detector of the folder `checkpoint`, or that of the highest validation AUROC of an output, as choose.best
    says, on a GPU where there is one. `threshold_at` is a wish such as "recall=0.99".

    `tell` gets a line for each file that could not be read and better detector that could not be used. Raises
    InputError where there is no such detector, or the options name several.
    """
    wish = threshold_wish.parse(threshold_at) if threshold_at else None
    names = {"dataset": dataset, "category": category, "model": model, "protocol": protocol}
    if checkpoint is None:
        with _opened(output, tell) as opened:
            found = choose.best(opened, **names, tell=tell)
    elif any(names.values()):
        raise InputError("--checkpoint names one detector: leave --dataset, --category, --model and --protocol out.")
    else:
        found = choose.given(os.fspath(checkpoint))
    return built(found, wish, device)


def load_each(
    output: str | os.PathLike = "results",
    *,
    category: Sequence[str] = (),
    dataset: str | None = None,
    model: str | None = None,
    protocol: str | None = None,
    threshold_at: str | None = None,
    device: torch.device | str | None = None,
    tell: Callable[[str], object] = warnings.warn,
) -> list[TrainedDetector]:
    """What `load` gives for each of these categories; by default, for each that the output has finished jobs of."""
    wish = threshold_wish.parse(threshold_at) if threshold_at else None
    with _opened(output, tell) as opened:
        names = dict.fromkeys(category) or choose.categories(opened, dataset) or [None]
        return [built(choose.best(opened, dataset, name, model, protocol, tell), wish, device) for name in names]


def built(found: Checkpoint, wish: Wish | None = None, device: torch.device | str | None = None) -> TrainedDetector:
    """The detector of a checkpoint, with another threshold where one is wished for."""
    found, meaning = threshold_wish.granted(wish, found) if wish else (found, ())
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    return TrainedDetector(found, found.detector(torch.device(device)), tuple(meaning))


@contextlib.contextmanager
def _opened(root: str | os.PathLike, tell: Callable[[str], object]) -> Iterator[Output]:
    """An output, whose files that could not be read are told of when the context ends."""
    output = Output(os.fspath(root))
    try:
        yield output
    finally:
        for path, reason in sorted(output.skipped.items()):
            tell(f"skipped {path}: {reason}")


def _sources(pictures: Picture | Iterable[Picture]) -> Iterator[Source]:
    if isinstance(pictures, str | os.PathLike):
        pictures = [pictures]
    if isinstance(pictures, np.ndarray) and pictures.ndim != 4:
        raise InputError(f"an array of the shape {pictures.shape} is no list of pictures. Give a list: [picture].")
    for place, picture in enumerate(pictures):
        if isinstance(picture, np.ndarray):
            yield Source(str(place), str(place), functools.partial(np.ascontiguousarray, _rgb(picture, place)))
            continue
        dump = pictures_of([os.fspath(picture)])
        for line in dump.closed:
            warnings.warn(f"not looked into {line}", stacklevel=3)
        yield from map(source, dump.pictures)


def _rgb(pixels: np.ndarray, place: int) -> np.ndarray:
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3 or not pixels.size:
        raise InputError(f"picture {place} is {pixels.dtype} of the shape {pixels.shape}; {PIXELS}.")
    return pixels
