"""What the race saves, and what it costs: rows of complete sweeps are played again with it.

    defectsweep run ... --trials 10 --output full        # without --race, all categories and models
    python benchmarks/race.py full [OUTPUT ...]

For each category and seed: the trials that the race would have run are those whose index is below the goal of their job
(orchestrator/experiment/race.py), by the recorded rows. Whoever is in it to the end has all of its trials, so that what
validation would have chosen in the end, and its test AUROC, are known: those of the job of the highest validation AUROC
among what was run. Seconds are those that the recorded trials took.
"""

import argparse
import dataclasses
from collections import defaultdict
from collections.abc import Iterable

from model.catalog import ENSEMBLE
from orchestrator.display.tables import print_table
from orchestrator.experiment import race, search
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, Job
from orchestrator.results.output import Output
from orchestrator.results.rows import COMPLETED, JobRow, TrialRow

NAMES = ("category", "seed", "trials", "with it", "search, s", "with it", "share", "test AUROC", "with it", "stopped")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", nargs="+")
    lines = [line for root in parser.parse_args().output for line in replayed(Output(root))]
    table = [[*map(str, line[:2]), *(f"{value:.3g}" if isinstance(value, float) else str(value) for value in line[2:])]
             for line in lines]  # fmt: skip
    print_table(NAMES, table, set(NAMES[1:-1]))
    full_s, raced_s = (sum(line[k] for line in lines) for k in (4, 5))
    full, raced = (sum(line[k] for line in lines) / len(lines) for k in (7, 8))
    print(f"\n{len(lines)} races take {raced_s / full_s:.2f} of the seconds of the search")
    print(f"mean test AUROC of what validation chose: {full:.4f}, with the race {raced:.4f}")


def replayed(output: Output) -> Iterable[tuple]:
    """A line a category and seed."""
    rows, groups = defaultdict(dict), defaultdict(list)
    for row in output.trials():
        rows[row.job_id][row.index] = row
    for row in output.jobs():
        if row.status == COMPLETED and row.model != ENSEMBLE:
            groups[row.category, row.seed].append(row)
    for (category, seed), jobs in sorted(groups.items()):
        own = {row.job_id: _of_now(rows[row.job_id], row) for row in jobs}
        goals = race.goals([_job(row) for row in jobs], own, (), parallel_trials=1)
        raced = {name: {i: row for i, row in those.items() if i < goals[name].now} for name, those in own.items()}
        full_s, raced_s = _seconds(own), _seconds(raced)
        stopped = ", ".join(f"{row.model} {goals[row.job_id].now}" for row in jobs if goals[row.job_id].why)
        yield (category, seed, _count(own), _count(raced), full_s, raced_s, raced_s / full_s,
               _chosen(jobs, own), _chosen(jobs, raced), stopped)  # fmt: skip


def _job(row: JobRow) -> Job:
    """The job that left a row, as far as the race looks at it."""
    asked = Experiment(model=(row.model,), trials=row.trials, protocol=row.protocol, race=True)
    category = Category(row.dataset, row.category, "", 0, 0, "")
    return Job(asked, category, row.model, row.size_px, row.seed, row.trials, (), 1, row.choices, row.settings,
               row.config_hash)  # fmt: skip


def _of_now(trials: dict[int, TrialRow], job: JobRow) -> dict[int, TrialRow]:
    return {index: dataclasses.replace(row, val_normals=job.val_normals) for index, row in trials.items()}


def _seconds(trials: dict[str, dict[int, TrialRow]]) -> float:
    return sum(row.wall_s or 0.0 for those in trials.values() for row in those.values())


def _count(trials: dict[str, dict[int, TrialRow]]) -> int:
    return sum(map(len, trials.values()))


def _chosen(jobs: list[JobRow], trials: dict[str, dict[int, TrialRow]]) -> float:
    """The test AUROC of the job that validation puts first."""
    best = {row.job_id: search.best(list(trials[row.job_id].values())) for row in jobs}
    return max((row for row in jobs if best[row.job_id]), key=lambda row: best[row.job_id].val_auc).test_auc


if __name__ == "__main__":
    main()
