"""An MLflow server, through MLflow's own client: each run is written once, whoever sends it how often.

A run is found again by a tag, the hash of its row's id and of the output's name; another tag, which is set last, says
which row it holds. One that holds another row, or a part of one, is deleted and written anew, since MLflow's parameters
cannot be changed. Of two runs that two sweeps have made at the same moment, one is deleted.
"""

import contextlib
import importlib.util
import os
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from orchestrator.errors import InputError
from orchestrator.hashes import digest
from orchestrator.tracking.runs import Run
from orchestrator.words import one_line

SCHEME = "mlflow:"
IDENTITY, ID, SENT = "defectsweep.run", "defectsweep.id", "defectsweep.row"  # tags
PARENT = "mlflow.parentRunId"
PARAMS, METRICS = 100, 500  # in a request: fewer than MLflow takes
LONGEST_REASON = 200  # letters
ENVIRONMENT = {  # of MLflow: where the user has not set them
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",  # seconds without an answer
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}


class NotSentError(Exception):
    """A request that came to nothing, in one line. `is_refusal`: the server has answered, with a no."""

    def __init__(self, why: str, is_refusal: bool):
        super().__init__(why)
        self.is_refusal = is_refusal


def address(text: str) -> str:
    """mlflow:http://HOST:PORT -> http://HOST:PORT. Raises InputError for what is none, and where MLflow's client is not
    installed."""
    found = text.removeprefix(SCHEME)
    try:
        url = urlsplit(found)
        is_sound = text.startswith(SCHEME) and url.scheme in ("http", "https") and url.hostname and url.port != 0
    except ValueError:
        is_sound = False
    if not is_sound:
        raise InputError(f"{text!r} is no tracking server; mlflow:http://HOST:PORT is expected (or https).")
    if importlib.util.find_spec("mlflow") is None:
        raise InputError(f"{text} needs mlflow-skinny: pip install 'defectsweep[track]'.")
    return found


def load_client() -> Callable[[str], Any]:
    """MLflow's client, whose import takes seconds. Where other threads work, it must be done before: scikit-learn uses
    the polars that it finds in `sys.modules`, half-imported or not."""
    for name, value in ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient

    return MlflowClient


class Server:
    """A server's experiment, named `experiment` unless the user says MLFLOW_EXPERIMENT_NAME. Rows are those of the
    output named `output`. Methods raise NotSentError."""

    def __init__(self, address: str, experiment: str, output: str):
        self.client = load_client()(address)
        self.experiment, self.output = os.environ.get("MLFLOW_EXPERIMENT_NAME") or experiment, output
        self.experiment_id: str | None = None

    def begin(self, id: str, sent: str | None, tags: dict[str, str], started_ms: int | None) -> tuple[str, bool]:
        """The server's id of a run, which is made if need be; and whether it holds the row of digest `sent` already.
        None: the row is not there yet, and what the run holds does not matter."""
        with _answering():
            run = self._find(id)
            if run is not None:
                holds = run.data.tags.get(SENT)
                if sent is None or holds == sent:
                    self._move(run, tags.get(PARENT))
                    return run.info.run_id, sent is not None
                if not (holds or run.data.params or run.data.metrics):
                    return run.info.run_id, False
                self.client.delete_run(run.info.run_id)
            tags = {**tags, ID: id, IDENTITY: self._identity(id)}
            self.client.create_run(self.experiment_id, started_ms, tags, id)
            return self._find(id).info.run_id, False  # another sweep may have made one, too

    def fill(self, run_id: str, run: Run, folder: Path | None = None) -> None:
        """Writes a run that has begun: tags, parameters, metrics, all that lies in a folder; last, what it holds."""
        from mlflow.entities import Metric, Param, RunTag

        with _answering():
            for some in _pieces(run.tags.items(), PARAMS):
                self.client.log_batch(run_id, tags=[RunTag(*tag) for tag in some])
            for some in _pieces(run.params.items(), PARAMS):
                self.client.log_batch(run_id, params=[Param(*param) for param in some])
            for some in _pieces(run.points, METRICS):
                self.client.log_batch(run_id, [Metric(p.name, p.value, p.at_ms, p.step) for p in some])
            if folder is not None:
                self.client.log_artifacts(run_id, str(folder))
            self.client.set_terminated(run_id, "FAILED" if run.failed else "FINISHED", run.ended_ms)
            self.client.set_tag(run_id, SENT, run.digest)

    def without(self, id: str, tag: str) -> str | None:
        """The server's id of a run, if it is there and has no such tag."""
        with _answering():
            run = self._find(id)
            return run.info.run_id if run is not None and tag not in run.data.tags else None

    def attach(self, run_id: str, folder: Path, tag: str, text: str) -> None:
        """Adds all that lies in a folder to a run, and a tag."""
        with _answering():
            self.client.log_artifacts(run_id, str(folder))
            self.client.set_tag(run_id, tag, text)

    def _find(self, id: str) -> Any:
        """The run of a row, if there is one."""
        if self.experiment_id is None:
            self.experiment_id = self._experiment()
        wanted = f"tags.`{IDENTITY}` = '{self._identity(id)}'"
        runs = sorted(self.client.search_runs([self.experiment_id], wanted), key=lambda run: run.info.run_id)
        for surplus in runs[1:]:
            self.client.delete_run(surplus.info.run_id)
        return runs[0] if runs else None

    def _move(self, run: Any, parent: str | None) -> None:
        if run.data.tags.get(PARENT) != parent:
            self.client.set_tag(run.info.run_id, PARENT, parent)

    def _identity(self, id: str) -> str:
        return digest([self.output, id])[:32]

    def _experiment(self) -> str:
        from mlflow.exceptions import RestException

        found = self.client.get_experiment_by_name(self.experiment)
        if found is None:
            with contextlib.suppress(RestException):  # another sweep has just made it
                return self.client.create_experiment(self.experiment)
            found = self.client.get_experiment_by_name(self.experiment)
        if found.lifecycle_stage == "deleted":
            why = f"its experiment {self.experiment!r} is deleted; restore it, or set MLFLOW_EXPERIMENT_NAME"
            raise NotSentError(why, is_refusal=True)
        return found.experiment_id


def _pieces(things: Iterable, size: int) -> list[list]:
    things = list(things)
    return [things[start : start + size] for start in range(0, len(things), size)]


@contextlib.contextmanager
def _answering() -> Iterator[None]:
    """Whatever goes wrong with a request, as a NotSentError."""
    import requests
    from mlflow.exceptions import MlflowException, RestException

    try:
        yield
    except (MlflowException, requests.RequestException, OSError) as error:
        has_answered = isinstance(error, RestException) or getattr(error, "response", None) is not None
        raise NotSentError(_why(error), has_answered) from error


def _why(error: Exception) -> str:
    """The reason that lies deep in the client's long lines."""
    text = one_line(error)
    found = re.search(r"Errno -?\d+\] ([^\"')(]+)|([Rr]ead timed out|[Cc]onnection timed out)", text)
    return next(filter(None, found.groups())) if found else text[:LONGEST_REASON]
