"""Warm start: each search begins with the best parameters that earlier jobs of its model found.

earlier output -> the winners of each model (kept as notes in the new output: later runs begin with the same ones)
-> the starting points of each job, tried before the model's presets. Which ones is a pure function of the winners.

No image of a job's test part may have had a say in them. So the same category counts only where it was split alike
(protocol and seed), or was judged on forged defects alone; any other category counts.
"""

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from optuna.distributions import BaseDistribution, CategoricalDistribution

from orchestrator.errors import InputError
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.distributions import holds, parameters, unit
from orchestrator.experiment.job import Job
from orchestrator.hashes import digest
from orchestrator.results.output import Output
from orchestrator.results.rows import COMPLETED, JobRow
from search_spaces.catalog import SPACES

MOST = 3  # starting points of a job: each costs a whole trial
PREFIX = "warm:"  # of the name of a trial that began so; the earlier job's id follows


@dataclass(frozen=True)
class Winner:
    """The best trial of an earlier job."""

    job_id: str
    dataset: str
    category: str
    seed: int
    protocol: str
    size_px: int
    config_hash: str
    params: dict[str, Any]


def winners(
    experiment: Experiment, output: Output, open_output: Callable[[str], Output] = Output
) -> dict[str, list[Winner]]:
    """Model -> what its earlier jobs found: as `output` has noted it, else as --warm-start has it now, which
    `open_output` opens.

    Empty without --warm-start. Raises InputError where there is no earlier job of any model that is searched.
    """
    if experiment.warm_start is None:
        return {}
    notes = {model: output.read_note(_note(experiment, model)) for model in experiment.model}
    found = {model: [Winner(**winner) for winner in note["winners"]] for model, note in notes.items() if note}
    missing = [model for model in experiment.model if model not in found]
    if missing:
        earlier = [row for row in open_output(experiment.warm_start).jobs() if row.status == COMPLETED]
        found |= {model: [_winner(row) for row in earlier if row.model == model] for model in missing}
    searched = [model for model in experiment.model if SPACES[model]]
    if searched and not any(found[model] for model in searched):
        raise InputError(
            f"--warm-start {experiment.warm_start} holds no finished job of {', '.join(searched)}. "
            "Name the --output of an earlier run."
        )
    return found


def keep(experiment: Experiment, output: Output, found: Mapping[str, Sequence[Winner]]) -> None:
    """Notes the winners in `output`."""
    for model, its in found.items():
        content = {"from": experiment.warm_start, "winners": [dataclasses.asdict(winner) for winner in its]}
        output.write_note(_note(experiment, model), content)


def begin(jobs: Sequence[Job], experiment: Experiment, found: Mapping[str, Sequence[Winner]]) -> list[Job]:
    """The jobs with their starting points; as they are without --warm-start."""
    if experiment.warm_start is None:
        return [*jobs]
    return [_warm(job, experiment.warm_start, found[job.model]) for job in jobs]


def sentence(jobs: Sequence[Job]) -> str:
    """What the jobs begin with, for people."""
    taken = [winner for job in jobs for winner, _ in job.starts]
    cold = list(dict.fromkeys(job.model for job in jobs if job.space and not job.starts))
    earlier = jobs[0].experiment.warm_start
    text = f"warm start from {earlier}: {len(taken)} starting points, of {len(set(taken))} earlier jobs"
    return f"{text}; none for {', '.join(cold)}" if cold else text


def starting_points(job: Job, found: Sequence[Winner]) -> list[tuple[str, dict[str, Any]]]:
    """At most MOST names and parameters, each once: first those of the job's own category, the nearest size first; then
    the others', the most typical first (of the least mean distance to all, in the unit cube of the search space)."""
    eligible = [winner for winner in found if _is_eligible(job, winner)]

    def rank(winner: Winner) -> tuple:
        is_own = _category(winner) == _category_of(job)
        ratio = abs(math.log2(winner.size_px / job.size_px)) if is_own else 0.0
        atypical = sum(_distance(job, winner, other) for other in eligible)
        return (not is_own, ratio, round(atypical, 9), winner.job_id)

    points: list[tuple[str, dict[str, Any]]] = []
    for winner in sorted(eligible, key=rank):
        params = {name: winner.params[name] for name in job.space}
        if params not in [known for _, known in points]:
            points.append((PREFIX + winner.job_id, params))
    return points[:MOST]


def _warm(job: Job, text: str, found: Sequence[Winner]) -> Job:
    starts = starting_points(job, found) if job.space else []
    return dataclasses.replace(
        job,
        starts=tuple((name, tuple(params.items())) for name, params in starts),
        settings=digest([job.settings, text])[:8],
        config_hash=digest([job.config_hash, [params for _, params in starts]]),
    )


def _is_eligible(job: Job, winner: Winner) -> bool:
    """Of parameters that the job's space holds, not of the very same search, and blind to the job's test part."""
    if not all(name in winner.params and holds(space, winner.params[name]) for name, space in job.space.items()):
        return False
    if _category(winner) != _category_of(job):
        return True
    is_split_alike = (winner.protocol, winner.seed) == (job.experiment.protocol, job.seed)
    is_blind = is_split_alike and winner.protocol != "crossfit"  # whose every image has chosen, and is judged
    return winner.config_hash != job.config_hash and (is_blind or winner.protocol == "synthetic")


def _distance(job: Job, one: Winner, other: Winner) -> float:
    """In the unit cube of the job's search space, where two choices are 1 apart."""
    return math.hypot(*(_apart(space, one.params[name], other.params[name]) for name, space in job.space.items()))


def _apart(space: BaseDistribution, one: Any, other: Any) -> float:
    if isinstance(space, CategoricalDistribution):
        return float(one != other)
    return unit(space, one) - unit(space, other)


def _winner(row: JobRow) -> Winner:
    names = [field.name for field in dataclasses.fields(Winner) if field.name != "params"]
    return Winner(**{name: getattr(row, name) for name in names}, params=parameters(row.params))


def _category(winner: Winner) -> tuple[str, str]:
    return winner.dataset, winner.category


def _category_of(job: Job) -> tuple[str, str]:
    return job.category.dataset, job.category.name


def _note(experiment: Experiment, model: str) -> str:
    return f"warm-start-{model}-{digest(experiment.warm_start)[:12]}"
