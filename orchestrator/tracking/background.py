"""`--track`: a sweep's rows go to a server while it goes on, from a thread of their own.

The sweep only says which jobs have new rows; the thread reads these from the output and sends them, and makes ONNX
programs when there is nothing else to send. So a server that is down, slow or silent costs the sweep nothing. What it
missed is sent when it answers again, and what is left at the end by `defectsweep track`.
"""

import contextlib
import shlex
import threading
from collections.abc import Callable, Iterator

from orchestrator.errors import RunError, describe
from orchestrator.results.output import Output
from orchestrator.results.rows import JobRow, TrialRow
from orchestrator.sweep.sweep import Listener, Sweep
from orchestrator.tracking.sender import Sender
from orchestrator.tracking.server import NotSentError, load_client
from orchestrator.words import count

RETRY_S = 20.0  # between two tries at a server that does not answer
LAST_S = 30.0  # at the end of a sweep, for what is left

Row = TrialRow | JobRow


class Tracking(Listener):
    """Follows a sweep. Raises InputError for what is no address."""

    def __init__(self, uri: str, output: str):
        self.uri, self.output, self.say = uri, Output(output), print
        self.sender = Sender(uri, self.output, lambda line: self._say(line))
        load_client()
        self.news = threading.Condition()  # guards all that follows
        self.rows: dict[str, Row] = {}  # by job id: a row of each job that has rows to send
        self.programs: dict[str, JobRow] = {}  # by job id: of jobs whose rows are there
        self.sending: str | None = None  # a job's id
        self.refused: set[str] = set()
        self.is_down, self.is_over, self.was_told = False, False, False

    @contextlib.contextmanager
    def following(self, sweep: Sweep, say: Callable[[str], object]) -> Iterator[None]:
        """Sends what the sweep knows already and what it leaves, while the context lasts; where that ends well, waits
        a little for what is left. `say` may be called from any thread."""
        self.say = say
        for row in (*sweep.ledger.trial_rows(), *sweep.ledger.job_rows.values()):
            self.recorded(row)
        sweep.listeners.append(self)
        threading.Thread(target=self._work, name="tracking", daemon=True).start()
        try:
            yield
            self._finish()
        finally:
            sweep.listeners.remove(self)
            with self.news:
                self.is_over = True
                self.news.notify_all()
                left = {*self.rows, *self.programs, *self.refused, *filter(None, [self.sending])}
            if left:
                say(f"{count(len(left), 'job is', 'jobs are')} not wholly at {self.uri}. To send what is missing:")
                say("  " + shlex.join(["defectsweep", "track", self.output.root, self.uri]))

    def recorded(self, row: Row) -> None:
        """Takes note that a job has a new row."""
        with self.news:
            self.rows[row.job_id] = row
            self.news.notify_all()

    def closed(self, row: JobRow) -> None:
        """The same."""
        self.recorded(row)

    def _finish(self) -> None:
        """Tries once more what does not answer, and waits while all goes well."""
        with self.news:
            self.is_down = False
            self.news.notify_all()
            self.news.wait_for(lambda: self.is_down or not (self.rows or self.programs or self.sending), LAST_S)

    # -- the thread

    def _work(self) -> None:
        while True:
            with self.news:
                self.news.wait_for(lambda: self.is_over or not self.is_down, RETRY_S)
                self.news.wait_for(lambda: self.is_over or self.rows or self.programs)
                if self.is_over:
                    return
                todo, send = (self.rows, self._send_rows) if self.rows else (self.programs, self.sender.send_program)
                self.sending, row = next(iter(todo.items()))
                del todo[self.sending]
            fault = _fault_of(send, row)
            with self.news:
                if fault is None:
                    self.refused.discard(self.sending)
                elif fault.is_refusal:
                    self.refused.add(self.sending)
                else:
                    todo.setdefault(self.sending, row)
                self.sending = None
                self.is_down = fault is not None and not fault.is_refusal
                self.news.notify_all()
            self._tell(fault, row.job_id)

    def _send_rows(self, row: Row) -> None:
        """Of the job of a row, what is on disk by now."""
        place = row.dataset, row.category, row.model
        job = next(iter(self.output.jobs(*place, of=[row.job_id])), None)
        trials = self.output.trials(*place, of=[row.job_id])
        if job or trials:
            self.sender.send(job, trials)
        if job:
            with self.news:
                self.programs[job.job_id] = job

    def _tell(self, fault: NotSentError | None, job_id: str) -> None:
        """A line where something begins to go wrong, or ends to."""
        if fault is None and self.was_told:
            self._say(f"--track {self.uri} answers again")
        elif fault is not None and fault.is_refusal:
            self._say(f"--track {self.uri}: {job_id} is not taken: {fault}")
        elif fault is not None and not self.was_told:
            self._say(f"--track {self.uri} does not answer: {fault}. The sweep goes on; what is missing is sent later")
        self.was_told = fault is not None and not fault.is_refusal

    def _say(self, line: str) -> None:
        if not self.is_over:  # afterwards nobody listens
            self.say(line)


def _fault_of(send: Callable[..., object], row: Row) -> NotSentError | None:
    """Sends what a row stands for; returns what went wrong."""
    try:
        send(row)
    except NotSentError as error:
        return error
    except RunError as error:
        return NotSentError(str(error), is_refusal=True)
    except Exception as error:  # nothing that happens here may end the thread unheard
        return NotSentError(describe(error), is_refusal=True)
    return None
