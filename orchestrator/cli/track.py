"""`track`: what a tracking server lacks of an output's rows and detectors is sent to it."""

from collections import Counter
from functools import partial

from orchestrator.cli.outputs import opened, warn
from orchestrator.errors import InputError, RunError
from orchestrator.tracking.sender import Sender
from orchestrator.tracking.server import NotSentError
from orchestrator.words import count, printable

ROW, PROGRAM = "row", "ONNX program"


def main(asked) -> int:
    """Sends it: the rows of every job, then the programs. Returns 1 where the server did not take some."""
    sent, refused = Counter(), False
    with opened(asked.output) as output:
        sender = Sender(asked.server, output, warn)
        jobs, trials = {row.job_id: row for row in output.jobs()}, {}
        for row in output.trials():
            trials.setdefault(row.job_id, []).append(row)
        ids = list(dict.fromkeys([*jobs, *trials]))
        if not ids:
            raise InputError(f"{output.root} holds no rows. 'defectsweep run --output {output.root}' makes some.")
        steps = [(id, ROW, partial(sender.send, jobs.get(id), trials.get(id, []))) for id in ids]
        steps += [(id, PROGRAM, partial(sender.send_program, job)) for id, job in jobs.items()]
        for id, what, send in steps:
            try:
                number = int(send())
            except NotSentError as error:
                if not error.is_refusal:
                    raise RunError(
                        f"{asked.server} does not answer: {error}. The same command sends what is missing."
                    ) from None
                warn(f"{id} is not taken: {error}")
                refused = True
                continue
            sent[what] += number
            if number:
                print(printable(f"{id}: {count(number, what)} sent"))
    total = " and ".join(count(sent[what], what) for what in (ROW, PROGRAM))
    print(printable(f"{total} sent; experiment {sender.server.experiment} at {sender.address}"))
    return int(refused)
