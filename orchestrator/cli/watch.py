"""`predict --watch`: says what is judged as it arrives, until Ctrl-C."""

from pathlib import Path

from orchestrator.cli import INTERRUPTED, interrupts
from orchestrator.cli.detector_in_words import description
from orchestrator.cli.outputs import warn
from orchestrator.deploy import TrainedDetector
from orchestrator.deploy.judging import CSV, DEFECTIVE, PARQUET
from orchestrator.deploy.record import WatchedRow
from orchestrator.deploy.sorting import Sorting
from orchestrator.deploy.watch import Watch
from orchestrator.words import count, printable

FAREWELL = "What was judged is kept; the same command goes on."


class Tally:
    """Prints each picture that is not good, and counts all."""

    def __init__(self) -> None:
        self.judged = self.defective = self.failed = 0

    def __call__(self, rows: list[WatchedRow]) -> None:
        """Takes a batch in."""
        for row in rows:
            if row.error is not None:
                warn(f"{row.path} cannot be judged: {row.error}")
            elif row.verdict == DEFECTIVE:
                print(printable(f"{row.verdict}  {row.score:<10.4g}  {row.path}"), flush=True)
        self.judged += len(rows)
        self.defective += sum(row.verdict == DEFECTIVE for row in rows)
        self.failed += sum(row.error is not None for row in rows)

    def summary(self, left: int) -> str:
        """In one line; `left` files are not judged."""
        parts = [
            f"{count(self.judged, 'picture')} judged",
            f"{self.defective} defective",
            f"{self.failed} CANNOT BE JUDGED" if self.failed else "",
            f"{left} not judged yet" if left else "",
        ]
        return ", ".join(filter(None, parts))


def watch(asked, detector: TrainedDetector) -> int:
    """Judges what arrives. Returns the exit status of an interrupted verb: nothing else ends it well."""
    folder, to = (Path(place).expanduser().resolve() for place in (asked.watch, asked.to))
    sorting = Sorting(Path(asked.sort_into).expanduser().resolve(), asked.sort_by) if asked.sort_into else None
    own = Watch(detector, folder, to, asked.heat_maps or DEFECTIVE, sorting)
    print(*map(printable, description(detector)), f"watching {printable(str(folder))}", "", sep="\n", flush=True)
    tally = Tally()

    def tell(rows: list[WatchedRow]) -> None:
        tally(rows)
        for line in own.lookout.news():
            warn(line)

    with interrupts.handled(FAREWELL, raises=False) as handled:
        left = own.run(lambda: handled.came, tell)
    print(f"\n{tally.summary(left)} · {printable(f'results in {asked.to}: {PARQUET}, {CSV}')}")
    print(FAREWELL)
    return INTERRUPTED
