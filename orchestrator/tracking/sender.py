"""A job's rows -> the runs of a server: the job's own, and those of its trials below it."""

import tempfile
import uuid
from collections.abc import Callable, Sequence
from pathlib import Path

from orchestrator.results.output import Output, safe_name
from orchestrator.results.rows import COMPLETED, JobRow, TrialRow
from orchestrator.tracking import artefacts, runs
from orchestrator.tracking.runs import Run
from orchestrator.tracking.server import PARENT, Server, address

NOTE = "tracking"  # in the output: what its runs are found by, so that it may be moved
ONNX = "onnx"  # tag of a job: where its program is, or why there is none


class Sender:
    """Sends an output's rows; what is there already is not sent again. `tell` gets a line, once, for each reason that a
    job has no ONNX program. Raises InputError for what is no address; methods raise NotSentError where the server does
    not take it, RunError for a fault of the output."""

    def __init__(self, uri: str, output: Output, tell: Callable[[str], object]):
        self.address = address(uri)
        self.output, self.tell, self.told = output, tell, set()
        self.connected: Server | None = None
        self.is_there: set[str] = set()  # digests of rows that the server is known to have

    @property
    def server(self) -> Server:
        """Made when it is first needed: MLflow's client takes its time to import."""
        if self.connected is None:
            self.connected = Server(self.address, **self.identity())
        return self.connected

    def send(self, job: JobRow | None, trials: Sequence[TrialRow]) -> int:
        """Sends what the server lacks of a job: its trials, and its own row and checkpoint if it has ended. Returns how
        many rows were sent."""
        of_trials, of_job = [runs.of_trial(row) for row in trials], runs.of_job(job) if job else None
        all_runs = [*of_trials, *filter(None, [of_job])]
        missing = [run for run in all_runs if run.digest not in self.is_there]
        if not missing:
            return 0
        id = (job or trials[0]).job_id
        began_ms = min((run.started_ms for run in all_runs if run.started_ms), default=None)
        parent, has_job = self.server.begin(id, of_job.digest if of_job else None, {}, began_ms)
        sent = sum(self._send_trial(run, parent) for run in of_trials)
        if of_job and not has_job:
            self._fill_job(parent, job, of_job)
            sent += 1
        self.is_there |= {run.digest for run in missing}
        return sent

    def _send_trial(self, run: Run, parent: str) -> bool:
        run_id, is_there = self.server.begin(run.id, run.digest, {PARENT: parent}, run.started_ms)
        if not is_there:
            self.server.fill(run_id, run)
        return not is_there

    def _fill_job(self, run_id: str, job: JobRow, run: Run) -> None:
        with tempfile.TemporaryDirectory() as folder:
            artefacts.write_checkpoint(self.output, job, Path(folder))
            self.server.fill(run_id, run, Path(folder))

    def send_program(self, job: JobRow) -> bool:
        """Makes and sends the ONNX program of a job whose row is there, if the server lacks it: whether it was sent. It
        takes some seconds of CPU."""
        run_id = self.server.without(job.job_id, ONNX) if job.status == COMPLETED else None
        if run_id is None:
            return False
        with tempfile.TemporaryDirectory() as folder:
            why = artefacts.write_program(self.output, job, Path(folder))
            text = f"none: {why}"[: runs.LONGEST_TEXT] if why else artefacts.PROGRAM
            self.server.attach(run_id, Path(folder), ONNX, text)
        if why and why not in self.told:
            self.told.add(why)
            self.tell(f"{job.job_id}: no ONNX program goes to the server: {why}")
        return why is None

    def identity(self) -> dict[str, str]:
        """The output's own name, and that of its experiment: made when it is first sent."""
        note = self.output.read_note(NOTE)
        if note is None:
            folder = self.output.uri().partition("?")[0].rstrip("/").rpartition("/")[2]
            note = {"experiment": f"defectsweep/{safe_name(folder)}", "output": uuid.uuid4().hex}
            self.output.write_note(NOTE, note)
        return note
