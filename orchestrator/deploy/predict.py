"""New pictures -> scores, verdicts and heat maps, by a detector that a sweep has left.

pictures, read by a pool of threads ahead of the scoring -> a row each -> a table of all of them, as Parquet and CSV,
and a heat map each. Pictures are decoded, fitted and scored in chunks just as at test time.

What is written takes the place of an earlier run's at the end, as a whole: until then it lies in `.unfinished`. So all
that lies in the folder is of one run.
"""

import contextlib
import itertools
import os
import shutil
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import torch

from datasets.loose_pictures import Dump, LoosePicture, find, readable
from datasets.picture import UnreadableError, fit_image, read_pixels
from datasets.sample import DataError
from model.contract import Detector
from orchestrator.deploy import export, heat_maps, onnx_file, submission
from orchestrator.errors import InputError, RunError
from orchestrator.results.row_files import to_table
from orchestrator.results.storage import put_whole
from orchestrator.training import scoring
from orchestrator.training.checkpoint import Checkpoint, Config
from orchestrator.words import cell

DEFECTIVE, GOOD = "defective", "good"
PARQUET, CSV, MAPS, UNFINISHED = "predictions.parquet", "predictions.csv", "heat-maps", ".unfinished"
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
class Fitted:
    """A picture as the detector sees it, and as it is shown."""

    framed: np.ndarray  # (R, C, 3) uint8, of the detector's frame
    panel: heat_maps.Panel


@dataclass
class Times:
    """How many pictures were scored, in how many seconds, and in how many all was done that there was to do."""

    pictures: int = 0
    score_s: float = 0.0
    wall_s: float = 0.0


def pictures_of(images: Sequence[str]) -> Dump:
    """What lies in files and folders, but for the heat maps of earlier results. Raises InputError where there is
    none."""
    try:
        return find(images, drawn=MAPS, beside=PARQUET)
    except DataError as error:
        raise InputError(str(error)) from None


def judge(
    detector: Detector, config: Config, pictures: list[LoosePicture], to: Path, maps: str, submitted: Path | None = None
) -> tuple[list[Prediction], Times]:
    """A row for each picture, in order. Writes them, and heat maps of the pictures that `maps` says ("all", "defective"
    or "none"), into the folder `to`; and maps for an evaluation server into `submitted`, if given."""
    times, start = Times(), time.perf_counter()
    with _results(to) as folder:
        rows = list(_predictions(detector, config, pictures, folder, maps, times, submitted))
        table = to_table(Prediction, rows)
        pq.write_table(table, folder / PARQUET)
        pyarrow.csv.write_csv(_for_spreadsheets(table), folder / CSV)
    times.wall_s = time.perf_counter() - start
    return rows, times


def _predictions(
    detector: Detector, config: Config, pictures: list[LoosePicture], folder: Path, maps: str, times: Times,
    submitted: Path | None,
) -> Iterator[Prediction]:  # fmt: skip
    """The row of each picture, in order. Writes heat maps into `folder`, and maps into `submitted`."""

    def read(picture: LoosePicture) -> Fitted | UnreadableError:
        try:
            pixels = read_pixels(Path(picture.path))
        except UnreadableError as error:
            return error
        return Fitted(fit_image(pixels, config.frame), heat_maps.panel(pixels))

    def draw(row: Prediction, shown: heat_maps.Panel, heat: np.ndarray) -> None:
        if row.heat_map is not None:
            path = folder / row.heat_map
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(heat_maps.draw(shown, heat, config, row.score))

    with ThreadPoolExecutor(min(MOST_READERS, os.cpu_count() or 1)) as pool:
        done = _ahead(pool, read, pictures, CHUNKS_AHEAD * scoring.SCORE_BATCH)
        for chunk in _chunks(zip(pictures, done, strict=True), scoring.SCORE_BATCH):
            whole = [one for _, one in chunk if isinstance(one, Fitted)]
            start = time.perf_counter()
            scores, heats = _score(detector, [one.framed for one in whole])
            times.score_s += time.perf_counter() - start
            times.pictures += len(whole)
            judged = iter(zip(scores, heats, strict=True))
            drawn = []
            for picture, one in chunk:
                score, heat = next(judged) if isinstance(one, Fitted) else (None, None)
                row = _row(config, picture, one, score, maps)
                if row.heat_map is not None:
                    drawn.append(pool.submit(draw, row, one.panel, heat))
                if submitted and row.error is None:
                    drawn.append(pool.submit(submission.write, submitted, picture, heat, one.panel.native, config))
                yield row
            for future in drawn:
                future.result()


def _score(detector: Detector, framed: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    if not framed:
        return np.empty(0), np.empty((0, 0, 0))
    return scoring.score(detector, torch.from_numpy(np.stack(framed)).to(detector.device))


def _row(
    config: Config, picture: LoosePicture, one: Fitted | UnreadableError, score: float | None, maps: str
) -> Prediction:
    identity = {name: getattr(config, name) for name in ("threshold", "category", "dataset", "model", "job_id")}
    own = {"path": readable(picture.path), **identity}
    if not isinstance(one, Fitted):
        return Prediction(**own, error=readable(str(one)))
    height, width = one.panel.native
    own |= {"width_px": width, "height_px": height}
    if not np.isfinite(score):
        return Prediction(**own, error=f"its score is {score}, no finite number")
    verdict = DEFECTIVE if score >= config.threshold else GOOD
    is_drawn = maps == "all" or (maps == "defective" and verdict == DEFECTIVE)
    heat_map = f"{MAPS}/{picture.name}.png" if is_drawn else None
    return Prediction(**own, score=float(score), verdict=verdict, heat_map=heat_map)


def _ahead(
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


def _chunks(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    items = iter(items)
    while chunk := list(itertools.islice(items, size)):
        yield chunk


def _for_spreadsheets(table: pa.Table) -> pa.Table:
    """The same with its texts as words.cell writes them."""
    for i, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            texts = [text if text is None else cell(text) for text in table[i].to_pylist()]
            table = table.set_column(i, field, pa.array(texts, field.type))
    return table


# -- the folder of results


@contextlib.contextmanager
def _results(to: Path) -> Iterator[Path]:
    """A folder to write results into, which then take the place of an earlier run's; nothing does if this fails."""
    unfinished = to / UNFINISHED
    if (to / MAPS).exists() and not (to / PARQUET).exists():
        raise InputError(f"--to {to} holds {MAPS} that are not of 'defectsweep predict'. Name another folder.")
    try:
        _remove(unfinished)
        unfinished.mkdir(parents=True)
    except OSError as error:
        raise InputError(f"--to {to} cannot be written ({error.strerror}). Name a folder that can.") from None
    try:
        yield unfinished
        if (to / MAPS).exists():
            (to / MAPS).rename(unfinished / "earlier")
        for name in (PARQUET, CSV, MAPS):
            if (unfinished / name).exists():
                (unfinished / name).rename(to / name)
    except OSError as error:
        raise RunError(f"--to {to}: {error.strerror}: {error.filename}. What was there before stays.") from error
    finally:
        with contextlib.suppress(OSError):
            _remove(unfinished)


def _remove(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)


# -- the program of its own


def check_program(file: Path) -> None:
    """Raises InputError unless a program may take the place of a file of this name, which may be a picture's."""
    if file.suffix.lower() not in export.FILES:
        endings = " or ".join(export.FILES)
        raise InputError(f"--export {file}: a name that ends in {endings} is expected, which no picture has.")
    if file.suffix.lower() == ".onnx":
        onnx_file.require()


def export_program(found: Checkpoint, pictures: list[LoosePicture], file: Path) -> export.Export:
    """For pictures of the size of the first that can be read, in the form that the file's name says."""
    for picture in pictures:
        with contextlib.suppress(UnreadableError):
            height, width = read_pixels(Path(picture.path)).shape[:2]
            return export.export(found, (height, width), file.suffix.lower())
    raise InputError("--export takes the size of the first picture that can be read, and none can.")


def write_program(
    exported: export.Export, pictures: list[LoosePicture], rows: list[Prediction], file: Path
) -> tuple[export.Difference, tuple[float, float]]:
    """Writes the program once it agrees with its detector on the pictures of its size, whose rows are `rows`. Says how
    far they are apart, and how many milliseconds the detector and its program take for one of them.

    Raises RunError where it does not, where there is none to compare them on, and where it cannot be written.
    """
    own = [
        picture
        for picture, row in zip(pictures, rows, strict=True)
        if row.error is None and (row.height_px, row.width_px) == exported.size
    ]
    if not own:
        raise RunError(f"--export {file}: no picture has a score to check the program with; it was not written.")
    chunks = _chunks((read_pixels(Path(picture.path)) for picture in own), exported.pictures_at_a_time)
    difference = exported.difference(chunks)
    content = exported.file(difference)
    try:
        put_whole(file, content)
    except OSError as error:
        raise RunError(f"--export {file} cannot be written ({error.strerror}). Name a file that can.") from None
    return difference, exported.picture_ms(read_pixels(Path(own[0].path)))
