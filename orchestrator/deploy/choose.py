"""Which detector judges: one that is named by its folder, or the best of an output's rows."""

from collections.abc import Callable

from orchestrator.errors import InputError, choice
from orchestrator.results.output import Output, checkpoint_folder, safe_name
from orchestrator.results.rows import COMPLETED, JobRow
from orchestrator.results.storage import Storage
from orchestrator.training import checkpoint
from orchestrator.training.checkpoint import Checkpoint


def given(root: str) -> Checkpoint:
    """The detector of a folder, or of a URI. Raises InputError where there is none."""
    return checkpoint.load(Storage(root))


def best(
    output: Output,
    dataset: str | None = None,
    category: str | None = None,
    model: str | None = None,
    tell: Callable[[str], object] = lambda line: None,
) -> Checkpoint:
    """Of an output's finished jobs, or those of one dataset, category or model, that of the highest validation AUROC;
    of equals, the first by its id. One whose checkpoint is missing or wrong is told of, and the next best taken.

    Its place follows from its id, whatever its row says. Raises InputError where the jobs are of several categories and
    none is named, and where no checkpoint can be read: what is wrong with the best.
    """
    jobs = [job for job in output.jobs() if job.status == COMPLETED and job.val_auc is not None]
    if not jobs:
        raise InputError(
            f"--output {output.root} holds no finished job. 'defectsweep run --output {output.root}' makes some; "
            "--checkpoint names a detector's folder."
        )
    for column, name in (("dataset", dataset), ("category", category), ("model", model)):
        jobs = _of(jobs, column, name)
    categories = sorted({(job.dataset, job.category) for job in jobs})
    if len(categories) > 1:
        listed = ", ".join(f"{dataset} / {category}" for dataset, category in categories)
        missing = "--dataset" if len({category for _, category in categories}) == 1 else "--category"
        raise InputError(
            f"--output {output.root} holds detectors of several categories: {listed}. Name one: {missing}."
        )
    faults = []
    for job in sorted(jobs, key=lambda job: (-job.val_auc, job.job_id)):
        try:
            found = _load(output, job)
        except InputError as error:
            faults.append(error)
            continue
        for error in faults:
            tell(f"a better detector cannot be used, and the next best judges: {error}")
        return found
    raise faults[0]


def _load(output: Output, job: JobRow) -> Checkpoint:
    if safe_name(job.job_id) != job.job_id:
        raise InputError(f"--output {output.root}: a row's job_id is {job.job_id!r}; a plain name is expected.")
    found = checkpoint.load(output, *checkpoint_folder(job.job_id))
    if found.config.job_id != job.job_id:
        raise InputError(f"{found.place} is the checkpoint of {found.config.job_id!r}, another job. Sweep it again.")
    return found


def _of(jobs: list[JobRow], column: str, name: str | None) -> list[JobRow]:
    if name is None:
        return jobs
    choice(column, name, sorted({getattr(job, column) for job in jobs}))
    return [job for job in jobs if getattr(job, column) == name]
