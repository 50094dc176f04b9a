"""Which data counts, where an output holds jobs on several states of one category's pictures: the newest. Pure."""

from collections.abc import Iterable
from typing import Any

Place = tuple[str, str]  # dataset and category


def newest_data(jobs: Iterable[Any]) -> dict[Place, str]:
    """The `data_hash` of the job that began last, of each place; jobs that know none, as failed ones, have no say."""
    newest: dict[Place, tuple[str, str]] = {}
    for job in jobs:
        if isinstance(job.data_hash, str):
            began = job.started_at if isinstance(job.started_at, str) else ""
            place = (job.dataset, job.category)
            newest[place] = max(newest.get(place, ("", "")), (began, job.data_hash))
    return {place: data_hash for place, (_, data_hash) in newest.items()}


def is_older(job: Any, newest: dict[Place, str]) -> bool:
    """Whether a job was measured on other data than the newest of its category."""
    return isinstance(job.data_hash, str) and job.data_hash != newest[job.dataset, job.category]
