"""`--fresh`: what jobs have left is removed before they begin anew."""

from collections.abc import Sequence

from orchestrator.errors import InputError
from orchestrator.experiment.job import Job
from orchestrator.results.output import Output
from orchestrator.sweep.claims import Claims


def forget(jobs: Sequence[Job], output: Output, claims: Claims) -> None:
    """Claims all jobs, then removes what they have left. Raises InputError where another sweep holds one of them:
    nothing is removed then."""
    for job in jobs:
        if not claims.take(job.id):
            who = claims.holder(job.id)
            raise InputError(f"--fresh: {job.id} is being trained by {who}. Let it end, or stop it.")
    for job in jobs:
        output.delete_job(job.category.dataset, job.category.name, job.model, job.id)
