"""How far protocol crossfit's figure is from the truth where a search is led by luck.

Method. Detectors that know nothing, or a little: an image's score is its label times `--shift`, plus a Gaussian process
over the search space, drawn for each image by itself (random Fourier features of length scale `--scale` in the unit
square). So neighbouring parameters are lucky on the same images, and a sampler can climb their luck. Each repetition
searches `--trials` settings by the sweep's own sampler, told the AUROC on all images; then

- optimistic: the best trial's AUROC on all images, which chose it;
- crossfit: orchestrator/metrics/crossfit.py, as the protocol does it;
- the truth: AUROC = Phi(shift / sqrt 2) for every setting.

The mean difference from the truth is printed with its standard error, for random search, where no trial saw any score,
and for the sampler, which saw all: what lies between is what the search itself leaks.

    python benchmarks/crossfit_bias.py
"""

import argparse
import json
from dataclasses import dataclass

import numpy as np
from optuna.distributions import FloatDistribution
from scipy.stats import norm

from orchestrator.experiment import search
from orchestrator.metrics import crossfit, image, thresholds
from orchestrator.results.rows import COMPLETED

SPACE = {"x": FloatDistribution(0, 1), "y": FloatDistribution(0, 1)}
FEATURES = 64
IMAGES = {"10 good, 31 defective": (10, 31), "20 and 60": (20, 60), "174 and 26": (174, 26)}


@dataclass(frozen=True)
class Row:
    """What the search reads of a trial's row."""

    params: str
    val_auc: float
    status: str = COMPLETED


def main() -> None:
    """Prints a line for each number of images and each sampler."""
    asked = parse_arguments()
    truth = float(norm.cdf(asked.shift / np.sqrt(2)))
    print(f"true AUROC {truth:.3f}, {asked.trials} trials, {asked.repetitions} repetitions")
    print(f"{'labelled images':<24}{'sampler':<10}{'best trial on all':>24}{'crossfit':>24}")
    for name, (good, defective) in IMAGES.items():
        labels = np.array([0] * good + [1] * defective)
        for sampler in ("random", asked.sampler):
            apart = np.array([repetition(labels, sampler, seed, asked) for seed in range(asked.repetitions)]) - truth
            error = apart.std(axis=0, ddof=1) / np.sqrt(len(apart))
            cells = [f"{mean:+.3f} (se {of_it:.3f})" for mean, of_it in zip(apart.mean(axis=0), error, strict=True)]
            print(f"{name:<24}{sampler:<10}{cells[0]:>24}{cells[1]:>24}", flush=True)


def repetition(labels: np.ndarray, sampler: str, seed: int, asked: argparse.Namespace) -> tuple[float, float]:
    """(the best trial's AUROC on all images, crossfit's)."""
    rng = np.random.default_rng(seed)
    frequencies, phases = rng.normal(0, 1 / asked.scale, (FEATURES, 2)), rng.uniform(0, 2 * np.pi, FEATURES)
    weights = rng.standard_normal((FEATURES, len(labels))) * np.sqrt(2 / FEATURES)
    folds = np.concatenate([rng.permutation(np.arange((labels == label).sum()) % 5) for label in (0, 1)])
    rows, scored = [], []
    for index in range(asked.trials):
        _, params = search.suggest(SPACE, {}, rows, index, seed, sampler)
        at = np.array([params["x"], params["y"]])
        scored.append(asked.shift * labels + np.cos(frequencies @ at + phases) @ weights)
        rows.append(Row(json.dumps(params), image.auroc(labels, scored[-1])))
    candidates = np.array(scored)
    on_all = crossfit.aurocs(labels, candidates)
    found = crossfit.judge(
        labels, folds, candidates, int(np.argmax(on_all)), lambda *of: thresholds.for_false_alarms(*of, 0.05).value
    )
    return float(on_all.max()), image.auroc(labels, found.scores)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sampler", choices=("gp", "tpe"), default="gp")
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--shift", type=float, default=1.2, help="of a defective image's score, in deviations")
    parser.add_argument("--scale", type=float, default=0.3, help="over which scores vary, in the unit square")
    return parser.parse_args()


if __name__ == "__main__":
    main()
