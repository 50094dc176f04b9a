"""Pictures -> a row each, by a detector that a sweep has left: what `predict`, its --watch and Python share.

Pictures are read by a pool of threads ahead of the scoring, and decoded, fitted and scored in chunks just as at test
time. A heat map is drawn where it is asked for, into the folder of the results.
"""

import itertools
import os
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

import orchestrator.deploy.heat_maps as heat_maps
from datasets.loose_pictures import Dump, LoosePicture, find, readable
from datasets.picture import UnreadableError, fit_image, read_pixels
from datasets.sample import DataError
from model.contract import Detector
from orchestrator.errors import InputError
from orchestrator.metrics import looks
from orchestrator.training import scoring
from orchestrator.training.checkpoint import Config

DEFECTIVE, GOOD = "defective", "good"
PARQUET, CSV, MAPS = "predictions.parquet", "predictions.csv", "heat-maps"
CHUNKS_AHEAD = 2  # of pictures that are read while others are scored
MOST_READERS = 32
Item, Value = TypeVar("Item"), TypeVar("Value")


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """One picture. What could not be read or scored is a row with its error."""

    path: str
    score: float | None = None
    threshold: float
    verdict: str | None = None  # DEFECTIVE from the threshold on, or GOOD
    heat_map: str | None = None  # relative to the folder of the table
    width_px: int | None = None  # upright, as it was decoded: the file's own up to 178 megapixels
    height_px: int | None = None
    category: str
    dataset: str
    model: str
    job_id: str
    error: str | None = None


@dataclass(frozen=True)
class Source:
    """Where a picture comes from."""

    path: str  # what its row calls it
    name: str  # its heat map's, without the ending
    read: Callable[[], np.ndarray]  # (H, W, 3) uint8, upright; raises UnreadableError


@dataclass(frozen=True)
class Judged:
    """A picture's row; where it has a verdict, what its heat map is drawn of, and how the picture looks."""

    row: Prediction
    source: Source
    shown: heat_maps.Panel | None = None
    heat: np.ndarray | None = None  # (R, C) float32, of the detector's frame
    looks: dict[str, float] | None = None


@dataclass(frozen=True)
class Fitted:
    """A picture as the detector sees it, and as it is shown."""

    framed: np.ndarray  # (R, C, 3) uint8, of the detector's frame
    panel: heat_maps.Panel
    looks: dict[str, float]


@dataclass
class Times:
    """How many pictures were scored, in how many seconds, and in how many all was done that there was to do."""

    pictures: int = 0
    score_s: float = 0.0
    wall_s: float = 0.0


def pictures_of(images: Iterable[str]) -> Dump:
    """What lies in files and folders, but for the heat maps of earlier results. Raises InputError where there is
    none."""
    try:
        return find(list(images), drawn=MAPS, beside=PARQUET)
    except DataError as error:
        raise InputError(str(error)) from None


def source(picture: LoosePicture) -> Source:
    """A picture of a file."""
    return Source(readable(picture.path), picture.name, lambda: read_pixels(Path(picture.path)))


def predictions(
    detector: Detector, config: Config, sources: Iterable[Source], folder: Path, maps: str, times: Times,
    see: Callable[[Judged], object] = lambda one: None, write: Callable[[Judged], object] | None = None,
) -> list[Prediction]:  # fmt: skip
    """The row of each picture, in order. Draws heat maps of those that `maps` says ("all", "defective" or "none") into
    `folder`, while the next ones are scored. Of those with a verdict, `see` is called in order, and `write`, if given,
    by the threads that draw."""

    def draw(one: Judged, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(heat_maps.draw(one.shown, one.heat, config, one.row.score))

    rows = []
    with ThreadPoolExecutor(min(MOST_READERS, os.cpu_count() or 1)) as pool:
        for chunk in judged(detector, config, sources, pool, times):
            written = []
            for one in chunk:
                row = one.row
                if row.verdict is not None:
                    see(one)
                    if maps in ("all", row.verdict):
                        row = replace(row, heat_map=f"{MAPS}/{one.source.name}.png")
                        written.append(pool.submit(draw, one, folder / row.heat_map))
                    if write:
                        written.append(pool.submit(write, one))
                rows.append(row)
            for future in written:
                future.result()
    return rows


def judged(
    detector: Detector, config: Config, sources: Iterable[Source], pool: ThreadPoolExecutor, times: Times
) -> Iterator[list[Judged]]:
    """The pictures in order, chunk by chunk, with their rows. The threads of `pool` read."""

    def read(one: Source) -> tuple[Source, Fitted | UnreadableError]:
        try:
            pixels = one.read()
        except UnreadableError as error:
            return one, error
        framed, panel = fit_image(pixels, config.frame), heat_maps.panel(pixels)
        return one, Fitted(framed, panel, looks.of_picture(framed, panel.native))

    for chunk in chunks(ahead(pool, read, sources, CHUNKS_AHEAD * scoring.SCORE_BATCH), scoring.SCORE_BATCH):
        whole = [fitted for _, fitted in chunk if isinstance(fitted, Fitted)]
        start = time.perf_counter()
        scored = iter(_scored(detector, [fitted.framed for fitted in whole]))
        times.score_s += time.perf_counter() - start
        times.pictures += len(whole)
        yield [
            _judged(config, own, fitted, *next(scored)) if isinstance(fitted, Fitted) else _failed(config, own, fitted)
            for own, fitted in chunk
        ]


def _scored(detector: Detector, framed: list[np.ndarray]) -> list[tuple[float, np.ndarray]]:
    if not framed:
        return []
    pixels = torch.from_numpy(np.stack(framed)).to(detector.device)
    return list(zip(*scoring.score(detector, pixels), strict=True))


def _judged(config: Config, own: Source, fitted: Fitted, score: float, heat: np.ndarray) -> Judged:
    height, width = fitted.panel.native
    known = {**_identity(config, own), "width_px": width, "height_px": height}
    if not np.isfinite(score):
        return Judged(Prediction(**known, error=f"its score is {score}, no finite number"), own)
    verdict = DEFECTIVE if score >= config.threshold else GOOD
    row = Prediction(**known, score=float(score), verdict=verdict)
    return Judged(row, own, fitted.panel, heat, {**fitted.looks, "score": row.score})


def _failed(config: Config, own: Source, error: UnreadableError) -> Judged:
    return Judged(Prediction(**_identity(config, own), error=readable(str(error))), own)


def _identity(config: Config, own: Source) -> dict[str, Any]:
    whose = {name: getattr(config, name) for name in ("threshold", "category", "dataset", "model", "job_id")}
    return {"path": own.path, **whose}


def ahead(
    pool: ThreadPoolExecutor, function: Callable[[Item], Value], items: Iterable[Item], most: int
) -> Iterator[Value]:
    """function(item) of each item in order, by the pool's threads, up to `most` ahead of who takes them."""
    waiting: deque[Future] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    """The items in lists of `size`, the last of what is left."""
    items = iter(items)
    while chunk := list(itertools.islice(items, size)):
        yield chunk
