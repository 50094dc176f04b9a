"""`serve`: trained detectors behind a door of HTTP, until Ctrl-C."""

import functools
import os
import tempfile
import time
from pathlib import Path

from orchestrator.cli import INTERRUPTED, interrupts
from orchestrator.cli.detector_in_words import description
from orchestrator.cli.outputs import warn
from orchestrator.deploy import TrainedDetector, listening, load, load_each
from orchestrator.deploy.desk import Desk
from orchestrator.deploy.door import JUDGE, Door
from orchestrator.errors import InputError, RunError
from orchestrator.words import count, printable

TOKEN = "DEFECTSWEEP_TOKEN"  # in the environment, where the command line is for all to see
LOOK_S = 0.2  # between two looks whether it is to end
FAREWELL = "The service has ended."


def main(asked) -> int:
    """Serves them. Returns the exit status of an interrupted verb: nothing else ends it well."""
    listening.require()
    token = os.environ.get(TOKEN) if asked.token is None else asked.token
    listening.check(asked.host, token)
    if asked.replicas < 1:
        raise InputError(f"--replicas {asked.replicas}: a whole number from 1 on is expected.")
    detectors = _detectors(asked)
    with listening.bound(asked.host, asked.port) as door:
        for detector in detectors:
            print(*map(printable, description(detector)), "", sep="\n", flush=True)
        return _serve(asked, detectors, token, door)


def _detectors(asked) -> list[TrainedDetector]:
    """One for each category; the replicas build their own of its checkpoint. Raises InputError where there are more of
    one."""
    names = {name: getattr(asked, name) for name in ("dataset", "category", "model", "protocol")}
    how = {"threshold_at": asked.threshold_at, "device": "cpu", "tell": warn}
    if not asked.checkpoint:
        return load_each(asked.output, **names, **how)
    if any(names.values()):
        raise InputError("--checkpoint names a detector: leave --dataset, --category, --model and --protocol out.")
    found = [load(checkpoint=place, **how) for place in asked.checkpoint]
    categories = [detector.checkpoint.config.category for detector in found]
    if len(set(categories)) < len(found):
        raise InputError(f"--checkpoint: the detectors are of {', '.join(categories)}; one of each is expected.")
    return found


def _serve(asked, detectors: list[TrainedDetector], token: str | None, door) -> int:
    from orchestrator.ray_backend.serving import session

    log = Path(tempfile.mkdtemp(prefix="defectsweep-serve-"), "driver.log")
    with interrupts.handled(FAREWELL, raises=False) as handled:
        in_all = count(len(detectors) * asked.replicas, "replica")
        print(f"starting {in_all} on Ray Serve ...", flush=True)
        with session(detectors, asked.replicas, asked.address, log) as serving:
            handled.install()
            say = functools.partial(print, file=serving.screen, flush=True)

            def tell(line: str) -> None:
                say(printable(f"defectsweep: {line}"))

            configs = [detector.checkpoint.config for detector in detectors]
            desks = {config.category: Desk(config, serving.ask(config.category), tell) for config in configs}
            with listening.open_at(door, Door(desks, serving.closed, token, tell)) as thread:
                say(f"serving at {listening.url(door)}: POST {JUDGE}/CATEGORY, GET /detectors, GET /healthz")
                while thread.is_alive() and not handled.came:
                    time.sleep(LOOK_S)
                has_failed = not handled.came
            say(f"\n{_tally(list(desks.values()))}")
    if has_failed:
        raise RunError(f"the service has ended by itself; {log} says why. Run the same command again.")
    print(FAREWELL)
    return INTERRUPTED


def _tally(desks: list[Desk]) -> str:
    judged, defective, refused = (
        sum(getattr(desk, name) for desk in desks) for name in ("judged", "defective", "refused")
    )
    return f"{count(judged, 'picture')} judged, {defective} defective, {refused} refused"
