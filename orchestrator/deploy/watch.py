"""`predict --watch`: pictures are judged as they arrive in a folder, each once, until somebody ends it.

look -> the files that are new and whole, in batches -> rows and heat maps -> the record, which is the moment that
counts -> sorted by verdict. Looking is polling: it needs no help of the system's, and sees network folders too.
"""

import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from datasets.loose_pictures import below, name_below, readable
from datasets.picture import read_pixels
from orchestrator.deploy import record, sorting
from orchestrator.deploy.arrivals import Arrivals, Identity, identity
from orchestrator.deploy.detector import TrainedDetector
from orchestrator.deploy.judging import Source, Times, chunks, predictions
from orchestrator.deploy.lookout import Lookout
from orchestrator.deploy.record import Record, WatchedRow
from orchestrator.deploy.sorting import Sorting
from orchestrator.errors import InputError, RunError
from orchestrator.training.provenance import now

LOOK_S = 0.2  # between two looks
LOOKING_SHARE = 0.2  # of the time at most, where a look takes long
BATCH = 32  # pictures that are judged, and kept, together


@dataclass
class Watch:
    """A watched folder, and where its results go; both absolute."""

    detector: TrainedDetector
    folder: Path
    to: Path
    maps: str  # heat maps to draw: "all", "defective" or "none"
    sorting: Sorting | None = None

    def __post_init__(self) -> None:
        self.times = Times()
        self.lookout = Lookout(self.detector.checkpoint.config)
        self._arrivals = Arrivals({})
        self._paths: dict[str, str] = {}  # of the last look: readable -> by which it is opened

    def run(self, is_over: Callable[[], bool], tell: Callable[[list[WatchedRow]], object]) -> int:
        """Judges what is there and what comes, and tells of each batch once it is kept. Returns how many files it
        leaves: they are not whole yet, or came last.

        Raises InputError for places that cannot be, RunError where the disk fails: what is kept stays, and the same
        watch goes on from there.
        """
        self._check()
        try:
            with record.opened(self.to) as kept:
                self._loop(kept, is_over, tell)
        except OSError as error:
            where = f": {error.filename}" if error.filename else ""
            raise RunError(
                f"--watch {self.folder}: {error.strerror}{where}. What was judged is kept; mend this, and run the same "
                "command again."
            ) from error
        return len(self._arrivals.waiting)

    def _check(self) -> None:
        if not self.folder.is_dir():
            raise InputError(f"--watch {self.folder} is no folder; expected one where pictures arrive; check its name.")
        for flag, place in (("--to", self.to), ("--sort-into", self.sorting and self.sorting.root)):
            if place and place.is_relative_to(self.folder):
                raise InputError(f"{flag} {place} lies in the watched folder {self.folder}. Name one outside of it.")

    def _loop(self, kept: Record, is_over: Callable[[], bool], tell: Callable[[list[WatchedRow]], object]) -> None:
        unsorted = [row for row in kept.newest(BATCH) if row.moved_to or row.linked_to]  # as far as is known
        self._arrivals = Arrivals(kept.judged() | {row.path: row.identity for row in unsorted})
        while not is_over():
            start = time.monotonic()
            look = self._look()
            pause_s = max(LOOK_S, (time.monotonic() - start) / LOOKING_SHARE)
            unsorted = [row for row in unsorted[-BATCH:] if not self._sorted(row)]
            for paths in chunks(self._arrivals.due(look, start), BATCH):
                if is_over():
                    break
                if rows := self._judged(paths):
                    kept.append(rows)
                    for row in rows:
                        self._arrivals.close(row.path)
                    tell(rows)
                    unsorted += [row for row in rows if not self._sorted(row)]
            time.sleep(max(0.0, start + pause_s - time.monotonic()))

    def _look(self) -> dict[str, Identity]:
        """The pictures in the folder, by their readable paths."""
        self._paths = {readable(path): path for path in below(self.folder)[0]}
        found = {name: identity(path) for name, path in self._paths.items()}
        return {name: one for name, one in found.items() if one is not None}

    def _judged(self, paths: list[str]) -> list[WatchedRow]:
        """The rows of files that are due; of those that have changed meanwhile, or may not be whole, none."""
        names = {path: name_below(self.folder, self._paths[path]) for path in paths}
        seen = {path: self._arrivals.waiting[path].identity for path in paths}
        sources = [
            Source(path, f"{names[path]}@{seen[path].modified_ns}", partial(read_pixels, Path(self._paths[path])))
            for path in paths
        ]
        config, taken, rows = self.detector.checkpoint.config, set(), []
        network, see = self.detector.network, self.lookout.see
        for row in predictions(network, config, sources, self.to, self.maps, self.times, see):
            if identity(self._paths[row.path]) != seen[row.path]:
                continue
            if row.error is not None and not self._arrivals.failed(row.path):
                continue
            place = self.sorting.place(row.verdict, names[row.path], taken) if self.sorting else {}
            rows.append(WatchedRow(**asdict(row), **seen[row.path]._asdict(), judged_at=now(), **place))
        return rows

    def _sorted(self, row: WatchedRow) -> bool:
        """Brings a judged picture to its place. Whether there is nothing left to do for it: not so where its file does
        not lie there as it was judged."""
        if not (row.moved_to or row.linked_to):
            return True
        path = self._paths.get(row.path)
        if path is None or identity(path) != row.identity:
            return False
        sorting.carry_out(row, path)
        if row.moved_to:
            self._arrivals.forget(row.path)
        return True
