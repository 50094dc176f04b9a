"""What the race saves, what it costs, and how soon its answer stands: rows of complete sweeps are played again.

    defectsweep run ... --no-race --protocol crossfit --trials 12 --output full    # all categories, models and seeds
    python benchmarks/race.py full [OUTPUT ...] --picture race.svg

A category and seed is played on one slot: trials begin in the order of `plan.next_up`, once with the race and once
without, and take the seconds that they took; refits, which have the same place in both, are left out. After each trial
the best detector so far is judged as protocol crossfit judges: every epoch of every completed trial of every model is a
candidate, and each of five folds of the labelled images is judged by the candidate that is best on the other four. So
the AUROC is of images that did not choose, at any moment, and nothing is trained for it.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure
from sklearn.model_selection import StratifiedKFold

from model.catalog import ENSEMBLE
from orchestrator.display.tables import print_table
from orchestrator.experiment import plan, race
from orchestrator.experiment.config import Experiment
from orchestrator.experiment.job import Category, Job
from orchestrator.metrics import crossfit, image, thresholds
from orchestrator.results.output import Output
from orchestrator.results.rows import COMPLETED, JobRow, TrialRow

FOLDS = 5
CLOSE = 0.003  # of the AUROC in the end, and
NEARLY = 0.99  # of it, count as having reached it
NAMES = ("category", "seed", "trials", "raced", "search, s", "raced, s", "share", "AUROC", "raced",
         "reached at", "99 % at")  # fmt: skip


@dataclass(frozen=True)
class Played:
    """The AUROC of the best detector so far, after so many seconds."""

    seconds: np.ndarray
    aurocs: np.ndarray

    def reached_s(self, auroc: float) -> float:
        """When it first was so high; infinite if never."""
        there = self.aurocs >= auroc
        return float(self.seconds[there.argmax()]) if there.any() else np.inf


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("output", nargs="+")
    parser.add_argument("--picture", metavar="FILE", help="draw AUROC against seconds")
    asked = parser.parse_args()
    games = {}
    for output in map(Output, asked.output):
        for key, game in recorded(output).items():
            games[key] = play(*game, is_race=False), play(*game, is_race=True)
    games = dict(sorted(games.items()))
    lines = [line(full, raced) for full, raced in games.values()]
    table = [[*map(str, key), *(f"{x:.3g}" for x in own)] for key, own in zip(games, lines, strict=True)]
    print_table(NAMES, table, set(NAMES[1:]))
    trials, raced_trials, full_s, raced_s, _, full, raced, reached, nearly = np.array(lines).T
    print(f"\n{len(lines)} races: {raced_trials.sum() / trials.sum():.2f} of the trials, "
          f"{raced_s.sum() / full_s.sum():.2f} of the seconds of the search")  # fmt: skip
    print(f"mean AUROC of the best: {full.mean():.4f}, with the race {raced.mean():.4f}; "
          f"difference {(raced - full).min():+.4f} to {(raced - full).max():+.4f}")  # fmt: skip
    for what, shares in ((f"within {CLOSE} of the end", reached), (f"at {NEARLY:.0%} of it", nearly)):
        print(f"{what} by this share of all seconds: median {np.median(shares):.3f}, most {shares.max():.3f}")
    if asked.picture:
        draw(games).savefig(asked.picture)


def line(full: Played, raced: Played) -> tuple[float, ...]:
    """What NAMES says of a category and seed."""
    full_s, raced_s, end = full.seconds[-1], raced.seconds[-1], full.aurocs[-1]
    return (len(full.seconds), len(raced.seconds), full_s, raced_s, raced_s / full_s, end, raced.aurocs[-1],
            raced.reached_s(end - CLOSE) / full_s, raced.reached_s(NEARLY * end) / full_s)  # fmt: skip


def recorded(output: Output) -> dict[tuple[str, int], tuple]:
    """By category and seed: the jobs, their rows by job id and index, and the labels of the images that choose."""
    rows, jobs, labels = defaultdict(dict), defaultdict(list), {}
    for row in output.trials():
        rows[row.job_id][row.index] = row
    for row in output.jobs():
        if row.status == COMPLETED and row.model != ENSEMBLE:
            jobs[row.category, row.seed].append(row)
    for key, rivals in jobs.items():
        scores = output.table("scores").to_pandas()
        labels[key] = scores[scores.job_id == rivals[0].job_id].label.to_numpy()
    return {key: ([_job(row) for row in rivals], rows, labels[key]) for key, rivals in jobs.items()}


def _job(row: JobRow) -> Job:
    """The job that left a row, as far as its place in a sweep goes."""
    asked = Experiment(model=(row.model,), trials=row.trials, protocol=row.protocol, race=True)
    category = Category(row.dataset, row.category, "", row.train_images, row.train_images, "")
    return Job(asked, category, row.model, row.size_px, row.seed, row.trials, (), 1, row.choices, row.settings,
               row.config_hash)  # fmt: skip


def play(jobs: list[Job], rows: dict[str, dict[int, TrialRow]], labels: np.ndarray, is_race: bool) -> Played:
    """All trials that there are, or those that the race runs."""
    folds = np.empty(len(labels), int)
    for fold, (_, within) in enumerate(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(labels, labels)):
        folds[within] = fold
    seconds, aurocs, candidates = [], [], []
    for row in in_order(jobs, rows, is_race):
        seconds.append(row.wall_s)
        if row.status == COMPLETED:
            candidates += np.reshape(np.array(row.val_scores, float), (row.epochs, -1)).tolist()
        aurocs.append(judged(labels, folds, np.array(candidates)) if candidates else 0.5)
    return Played(np.cumsum(seconds), np.array(aurocs))


def in_order(jobs: list[Job], rows: dict[str, dict[int, TrialRow]], is_race: bool) -> Iterator[TrialRow]:
    """The rows in the order in which one slot makes them."""
    done = {job.id: {} for job in jobs}
    everything = {job.id: race.Goal(job.trials, job.trials) for job in jobs}
    while found := plan.next_up(jobs, done, {}, race.goals(jobs, done, {}) if is_race else everything, 1):
        job, index = found
        done[job.id][index] = rows[job.id][index]
        yield rows[job.id][index]


def judged(labels: np.ndarray, folds: np.ndarray, candidates: np.ndarray) -> float:
    """The cross-fitted AUROC of choosing among candidates (C, V)."""
    best = int(np.argmax(crossfit.aurocs(labels, candidates)))
    found = crossfit.judge(labels, folds, candidates, best, lambda *seen: thresholds.for_best_f1(*seen).value)
    return image.auroc(labels, found.scores)


def draw(games: dict[tuple[str, int], tuple[Played, Played]]) -> Figure:
    """A panel a category, a line a seed."""
    categories = list(dict.fromkeys(category for category, _ in games))
    figure = Figure(figsize=(4 * len(categories), 3.4), layout="constrained")
    for place, category in zip(figure.subplots(1, len(categories), squeeze=False)[0], categories, strict=True):
        for (name, seed), both in games.items():
            if name == category:
                for played, color, word in zip(both, ("0.6", "tab:blue"), ("all trials", "race"), strict=True):
                    place.step(played.seconds, played.aurocs, where="post", color=color, lw=1.4,
                               ls=("-", "--", ":")[seed % 3], label=f"{word}, seed {seed}")  # fmt: skip
                    place.plot(played.seconds[-1], played.aurocs[-1], "o", color=color, ms=4)
        place.set(title=category, xscale="log", xlabel="seconds on one slot")
        place.grid(alpha=0.3)
    figure.axes[0].set_ylabel("cross-fitted AUROC of the best so far")
    figure.axes[-1].legend(fontsize=8, loc="lower right")
    return figure


if __name__ == "__main__":
    main()
