"""Whether small trials say which settings are best in large ones: rank correlations over sizes and over epochs.

    python benchmarks/fidelity.py --dataset mvtec_ad --data-root DATA --category bottle --size-px 32 --size-px 64 ...

Of each model the same settings, its presets and then random ones of its search space, are trained at every size, each
from the seed of its place, all to their last epoch. The AUROC is on all labelled images of the category (protocol
crossfit), so that as little of a ranking as possible is luck. For each size, and for each epoch that a rung of
successive halving lies at: Spearman's correlation of the settings' AUROCs with those of the largest size after its last
epoch, and how far the setting that is best there falls short of the best one in the end.
"""

import argparse
from collections.abc import Generator, Iterator

import numpy as np
import torch
from scipy import stats

from datasets.images import Images
from orchestrator.display.tables import print_table
from orchestrator.experiment import preflight, search
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Job, TrialTask, jobs
from orchestrator.results.rows import TrialRow
from orchestrator.training import trial
from orchestrator.training.selection import Selections

NAMES = ("category / model", "size", "epochs", "Spearman", "falls short by")


def main() -> None:
    asked, experiment, execution = parse_arguments()
    torch.set_num_threads(1)
    categories = preflight.survey(experiment, asked.data_root)
    found = jobs(experiment, categories, workers=1)
    decoded = preflight.decode([job.decoding for job in found], experiment, execution)
    lines = []
    for category in categories:
        for model in experiment.model:
            own = sorted((job for job in found if (job.category, job.model) == (category, model)), key=_size_px)
            settings = list(chosen(own[0], asked.settings))
            curves = {job.size_px: trained(job, settings, decoded[job.decoding]) for job in own}
            lines += compared(f"{category.name} / {model}", curves)
    print_table(NAMES, lines, set(NAMES[1:]))


def parse_arguments() -> tuple[argparse.Namespace, Experiment, Execution]:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--data-root")
    parser.add_argument("--category", action="append", default=[])
    parser.add_argument("--model", action="append", required=True)
    parser.add_argument("--size-px", action="append", type=int, required=True)
    parser.add_argument("--fit", default="aspect")
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--steps-per-epoch", type=int, default=10)
    parser.add_argument("--settings", type=int, default=14, help="settings of each model (default: 14)")
    asked = parser.parse_args()
    experiment = Experiment(
        dataset=(asked.dataset,), category=tuple(asked.category), model=tuple(asked.model), protocol="crossfit",
        size_px=tuple(asked.size_px), fit=asked.fit, epochs=asked.epochs, steps_per_epoch=asked.steps_per_epoch,
    )  # fmt: skip
    return asked, experiment, Execution(data_root=asked.data_root)


def _size_px(job: Job) -> int:
    return job.size_px


def chosen(job: Job, count: int) -> Iterator[dict]:
    """The parameters of so many settings."""
    for index in range(count):
        yield search.suggest(job.space, job.presets, [], index, seed=0, sampler="random")[1]


def trained(job: Job, settings: list[dict], images: Images) -> np.ndarray:
    """(S, E): the AUROC of each setting after each epoch; NaN where it failed."""
    selections = Selections(torch.device("cpu"))
    curves = np.full((len(settings), job.epochs), np.nan)
    for index, params in enumerate(settings):
        task = TrialTask(job, index, None, tuple(params.items()), (), seed=index, batch=job.experiment.batch)
        row = _row(trial.train(task, images, selections, gpu_share=0.0))
        curves[index, : len(row.curve)] = np.array(row.curve, float)
    return curves


def _row(epochs: Generator[object, None, TrialRow]) -> TrialRow:
    while True:
        try:
            next(epochs)
        except StopIteration as end:
            return end.value


def compared(name: str, curves: dict[int, np.ndarray]) -> list[list[str]]:
    """A line for each size and number of epochs, against the largest of both."""
    reached = {size_px: np.fmax.accumulate(curve, axis=1) for size_px, curve in curves.items()}
    final = reached[max(reached)][:, -1]
    lines = []
    for size_px, values in reached.items():
        epochs = values.shape[1]
        for epoch in [*search.rungs(epochs), epochs]:
            own = values[:, epoch - 1]
            is_known = np.isfinite(own) & np.isfinite(final)
            if (size_px, epoch) != (max(reached), epochs) and is_known.sum() > 2:
                correlation = stats.spearmanr(own[is_known], final[is_known]).statistic
                short = final[is_known].max() - final[is_known][own[is_known].argmax()]
                lines.append([name, f"{size_px} px", str(epoch), f"{correlation:.2f}", f"{short:.3f}"])
    return lines


if __name__ == "__main__":
    main()
