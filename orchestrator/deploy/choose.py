"""Which detector judges: one that is named by its folder, or the best of an output's rows."""

from collections.abc import Callable

from orchestrator.errors import InputError, choice
from orchestrator.results.newest import is_older, newest_data
from orchestrator.results.output import Output, checkpoint_folder, safe_name
from orchestrator.results.rows import COMPLETED, JobRow
from orchestrator.results.storage import Storage
from orchestrator.training import checkpoint
from orchestrator.training.checkpoint import Checkpoint


def given(root: str) -> Checkpoint:
    """The detector of a folder, or of a URI. Raises InputError where there is none."""
    return checkpoint.load(Storage(root))


def categories(output: Output, dataset: str | None = None) -> list[str]:
    """Those that an output, or one dataset of it, has finished jobs of."""
    return sorted({job.category for job in _finished(output) if dataset in (None, job.dataset)})


def best(
    output: Output,
    dataset: str | None = None,
    category: str | None = None,
    model: str | None = None,
    protocol: str | None = None,
    tell: Callable[[str], object] = lambda line: None,
) -> Checkpoint:
    """Of an output's finished jobs on the newest data, or those of one dataset, category, model or protocol, that of
    the highest validation AUROC.

    Seeds choose on different images, so models are compared by the mean over the seeds that all of them have, and the
    first of these seeds judges; of equals, the first by its id. Its place follows from its id, whatever its row says.
    Raises InputError where the jobs are of several categories, or were chosen on different images, and none is named,
    and where no checkpoint can be read: what is wrong with the best. One whose checkpoint is missing or wrong is
    told of, and the next best taken.
    """
    jobs = _finished(output)
    if not jobs:
        raise InputError(
            f"--output {output.root} holds no finished job. 'defectsweep run --output {output.root}' makes some; "
            "--checkpoint names a detector's folder."
        )
    for column, name in (("dataset", dataset), ("category", category), ("model", model), ("protocol", protocol)):
        jobs = _of(jobs, column, name)
    _require_one_category(output, jobs)
    newest = newest_data(jobs)
    faults = []
    for job in _best_first(output, [job for job in jobs if not is_older(job, newest)]):
        try:
            found = _load(output, job)
        except InputError as error:
            faults.append(error)
            continue
        for error in faults:
            tell(f"a better detector cannot be used, and the next best judges: {error}")
        return found
    raise faults[0]


def _finished(output: Output) -> list[JobRow]:
    return [job for job in output.jobs() if job.status == COMPLETED and job.val_auc is not None]


def _load(output: Output, job: JobRow) -> Checkpoint:
    if safe_name(job.job_id) != job.job_id:
        raise InputError(f"--output {output.root}: a row's job_id is {job.job_id!r}; a plain name is expected.")
    found = checkpoint.load(output, *checkpoint_folder(job.job_id))
    if found.config.job_id != job.job_id:
        raise InputError(f"{found.place} is the checkpoint of {found.config.job_id!r}, another job. Sweep it again.")
    return found


def _require_one_category(output: Output, jobs: list[JobRow]) -> None:
    categories = sorted({(job.dataset, job.category) for job in jobs})
    if len(categories) > 1:
        listed = ", ".join(f"{dataset} / {category}" for dataset, category in categories)
        missing = "--dataset" if len({category for _, category in categories}) == 1 else "--category"
        raise InputError(
            f"--output {output.root} holds detectors of several categories: {listed}. Name one: {missing}."
        )


def _best_first(output: Output, jobs: list[JobRow]) -> list[JobRow]:
    """Of jobs on one category's data, each seed of a line once."""
    _require_one_protocol(output, jobs)
    lines: dict[tuple, dict[int, JobRow]] = {}
    for job in sorted(jobs, key=lambda job: (-job.val_auc, job.job_id)):
        lines.setdefault(_line(job), {}).setdefault(job.seed, job)
    common = sorted(set.intersection(*map(set, lines.values())))
    if not common:
        models = ", ".join(sorted({f"{model} at {size_px} px" for model, size_px, _ in lines}))
        raise InputError(
            f"--output {output.root} holds detectors that have no seed in common, so that none was chosen on the same "
            f"images as all others: {models}. Name one: --model, or --checkpoint with its folder."
        )

    def place(line: dict[int, JobRow]) -> tuple[float, str]:
        return -sum(line[seed].val_auc for seed in common), line[common[0]].job_id

    ranked = sorted(lines.values(), key=place)
    return [line[seed] for line in ranked for seed in sorted(line, key=lambda seed: (seed not in common, seed))]


def _require_one_protocol(output: Output, jobs: list[JobRow]) -> None:
    protocols = sorted({job.protocol for job in jobs})
    if len(protocols) > 1:
        raise InputError(
            f"--output {output.root} holds detectors that were chosen on different images, by the protocols "
            f"{', '.join(protocols)}: their validation AUROCs cannot be compared. Name one: --protocol."
        )


def _line(job: JobRow) -> tuple[str, int, str]:
    """Jobs that agree in it differ in the seed only."""
    return job.model, job.size_px, job.settings


def _of(jobs: list[JobRow], column: str, name: str | None) -> list[JobRow]:
    if name is None:
        return jobs
    choice(column, name, sorted({getattr(job, column) for job in jobs}))
    return [job for job in jobs if getattr(job, column) == name]
