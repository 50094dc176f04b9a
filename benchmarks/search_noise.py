"""How good a trial a search chooses, where small validation sets blur what it is told.

Method. Response surfaces over search spaces like the detectors' own: a true AUROC of .93 at a place drawn for each
repetition, less elsewhere. A trial at parameters x draws a score for each image of the validation set (Gaussian; the
distance of the means follows from the true AUROC; half of an image's luck is the same in all trials, as it is the same
image), and the search is told their AUROC alone. `--trials` trials from no preset. Told is the mean true AUROC of the
trial that would be deployed, and its standard error over `--repetitions` searches. All samplers have the same optima
and the same luck of images, so what they differ by is paired.

- random, tpe, gp: `search.suggest`, as the sweep calls it
- known: a Gaussian process of the same kernel, but of a noise that is not fitted: each value has the variance that its
  AUROC and the number of images tell (Newcombe 2006, method 5), at the process's own mean there rather than at the
  value, as a lucky 1.0 would have none. Augmented expected improvement over the best mean (Huang et al. 2006), whose
  second factor keeps it from asking again where noise alone is left to learn

Two choices are told of each search: `highest`, of the trial of the highest validation AUROC, as `search.best` does it;
`smoothed`, of that whose posterior mean is highest by `known`, whoever chose the trials.

    python benchmarks/search_noise.py      # twelve minutes on one CPU core
"""

import argparse
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution
from scipy import linalg, optimize, stats
from scipy.spatial.distance import cdist

from orchestrator.experiment import search
from orchestrator.experiment.distributions import unit
from orchestrator.hashes import seed_of
from orchestrator.metrics import image, intervals
from orchestrator.results.rows import COMPLETED

SAMPLERS = ("random", "tpe", "gp", "known")
COMPARED = (*SAMPLERS, "known - gp")
CHOICES = ("highest", "smoothed")
IMAGES = ((10, 30), (6, 15), (30, 60))  # good and defective ones that choose
SHARED_LUCK = 0.5
SPREAD, LENGTH, LENGTHS = 0.1, 0.2, 0.6  # priors: of AUROCs in a space; median length scale, and its spread in logs
BEST, USELESS = 0.93, 0.55
CANDIDATES, NEARBY, ROUNDS = 1024, 128, 5  # points that `known` looks at: in all of the space, then around the best
Params = dict[str, Any]
Space = Mapping[str, BaseDistribution]

LR = FloatDistribution(2e-5, 2e-3, log=True)
W_ADV, W_LAT = (FloatDistribution(0.02, 10.0, log=True) for _ in range(2))
W_CON = FloatDistribution(1.0, 200.0, log=True)
SHARE = FloatDistribution(0.5, 1.0)
SCORE = CategoricalDistribution(("paper", "calibrated", "restored", "mask", "both"))


class Surface(NamedTuple):
    """A share of BEST - USELESS from places (D,) in the unit cube, those of the optimum and of a trial."""

    space: Space
    share: Callable[[np.ndarray, np.ndarray], float]


def bump(apart: np.ndarray, width: float) -> float:
    return float(np.exp(-(apart**2).sum() / (2 * width**2)))


def broad(best: np.ndarray, at: np.ndarray) -> float:
    return bump(at - best, 0.35)


def valley(best: np.ndarray, at: np.ndarray) -> float:
    return bump((at - best)[:1], 0.08) * bump((at - best)[1:], 1.5)


def plateau(best: np.ndarray, at: np.ndarray) -> float:
    return float(1 / (1 + np.exp((np.linalg.norm(at - best) - 0.35) / 0.03)))


def cliff(best: np.ndarray, at: np.ndarray) -> float:
    """The higher the learning rate the better, until trainings diverge."""
    return 0.2 + 0.8 * (at[0] / best[0]) * bump((at - best)[1:], 0.5) if at[0] <= best[0] else 0.0


def choice(best: np.ndarray, at: np.ndarray) -> float:
    """One of five scores is best by far, and the share within it is of no account."""
    return (1 - 0.25 * abs(round(4 * best[0]) - round(4 * at[0]))) * bump((at - best)[1:3], 0.5)


SURFACES = {
    "broad, 2 parameters": Surface({"lr": LR, "w_con": W_CON}, broad),
    "cliff, 2": Surface({"lr": LR, "w_con": W_CON}, cliff),
    "plateau, 3": Surface({"lr": LR, "w_adv": W_ADV, "w_con": W_CON}, plateau),
    "valley, 4": Surface({"lr": LR, "w_adv": W_ADV, "w_con": W_CON, "w_lat": W_LAT}, valley),
    "choice, 4": Surface({"score": SCORE, "lr": LR, "w_con": W_CON, "score_w_pixel": SHARE}, choice),
}


def main() -> None:
    """Prints a line for each surface and each number of images, and the means over all surfaces."""
    asked = parse_arguments()
    print(f"{asked.trials} trials, {asked.repetitions} repetitions from seed {asked.seed}: mean (standard error)")
    print(f"{'surface':<24}{'good + defective':<18}{'choice':<10}" + "".join(f"{name:>16}" for name in COMPARED))
    totals = []
    for images in asked.images:
        found = np.array([searched(surface, images, asked) for surface in SURFACES.values()])
        for name, own in zip([*SURFACES, "mean"], [*found, found.mean(0)], strict=True):
            print_lines(name, images, own)
        totals.append(found.mean(0))
    print_lines("mean", None, np.mean(totals, axis=0))


def searched(surface: "Surface", images: tuple[int, int], asked: argparse.Namespace) -> list[list[tuple[float, float]]]:
    """(samplers, repetitions, choices): true AUROCs."""
    seeds = range(asked.seed, asked.seed + asked.repetitions)
    return [[repetition(surface, images, sampler, seed, asked.trials) for seed in seeds] for sampler in SAMPLERS]


def print_lines(name: str, images: tuple[int, int] | None, aurocs: np.ndarray) -> None:
    """`aurocs` (samplers, repetitions, choices)."""
    compared = np.concatenate([aurocs, aurocs[-1:] - aurocs[-2:-1]])
    errors = compared.std(axis=1, ddof=1) / np.sqrt(compared.shape[1])
    where = "all" if images is None else "{} + {}".format(*images)
    for choice, means in enumerate(compared.mean(axis=1).T):
        cells = (f"{mean:.3f} ({error:.3f})" for mean, error in zip(means, errors[:, choice], strict=True))
        print(f"{name:<24}{where:<18}{CHOICES[choice]:<10}" + "".join(f"{cell:>16}" for cell in cells), flush=True)


@dataclass(frozen=True)
class Row:
    """What a search reads of a trial's row."""

    params: str
    val_auc: float
    index: int
    status: str = COMPLETED


class Process(NamedTuple):
    """A Gaussian process that was told N values: what it says of points (M, D)."""

    points: np.ndarray
    scales: np.ndarray  # inverse squared length scales (D,), then the kernel's own
    values: np.ndarray  # less their mean, in units of SPREAD
    noise: np.ndarray

    def says(self, at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Means and deviations (M,), in the units of its values."""
        factor = linalg.cho_factor(kernel(self.points, self.points, self.scales) + np.diag(self.noise), lower=True)
        across = kernel(self.points, at, self.scales)
        left = self.scales[-1] - (across * linalg.cho_solve(factor, across)).sum(0)
        return across.T @ linalg.cho_solve(factor, self.values), np.sqrt(np.maximum(left, 1e-12))


def kernel(one: np.ndarray, other: np.ndarray, scales: np.ndarray) -> np.ndarray:
    """Matern 5/2."""
    apart = np.sqrt(5) * cdist(one * np.sqrt(scales[:-1]), other * np.sqrt(scales[:-1]))
    return scales[-1] * (1 + apart + apart**2 / 3) * np.exp(-apart)


def fitted(points: np.ndarray, aurocs: np.ndarray, good: int, defective: int) -> Process:
    """Scales by their posterior mode; then the noise at the process's own means."""
    middle = aurocs.mean()
    values = (aurocs - middle) / SPREAD

    def noise_at(means: np.ndarray) -> np.ndarray:
        likely = np.clip(middle + SPREAD * means, 0.5, 0.98)
        return np.array([intervals.variance_of_counts(value, defective, good) for value in likely]) / SPREAD**2

    def loss(logs: np.ndarray) -> float:
        lower = linalg.cholesky(kernel(points, points, np.exp(logs)) + np.diag(noise), lower=True)
        misfit = np.log(np.diag(lower)).sum() + (linalg.solve_triangular(lower, values, lower=True) ** 2).sum() / 2
        unlikely = ((logs[:-1] / 2 + np.log(LENGTH)) ** 2).sum() / (2 * LENGTHS**2)
        return misfit + unlikely + np.exp(logs[-1]) - logs[-1]  # of the kernel's own scale: Gamma(2, 1)

    noise = noise_at(np.zeros(len(values)))
    start = np.append(np.full(points.shape[1], -2 * np.log(LENGTH)), 0.0)
    found = optimize.minimize(loss, start, method="L-BFGS-B", bounds=[(-7, 7)] * len(start))
    process = Process(points, np.exp(found.x), values, noise)
    return process._replace(noise=noise_at(process.says(points)[0]))


def known(space: Space, rows: Sequence[Row], index: int, seed: int, images: tuple[int, int]) -> Params:
    """The next trial by a process of known noise, after the same random ones as the other samplers."""
    if len(rows) < search.STARTUP_TRIALS:
        return search.suggest(space, {}, rows, index, seed, "random")[1]
    rng = np.random.default_rng(seed_of(seed, index))
    points = encoded(space, [json.loads(row.params) for row in rows])
    process = fitted(points, np.array([row.val_auc for row in rows]), *images)
    best, noise = process.says(points)[0].max(), process.noise.mean()

    def improvement(cube: np.ndarray) -> np.ndarray:
        mean, deviation = process.says(encoded(space, [at_place(space, place) for place in cube]))
        z = (mean - best) / deviation
        is_worth = 1 - np.sqrt(noise / (noise + deviation**2))
        return deviation * (z * stats.norm.cdf(z) + stats.norm.pdf(z)) * is_worth

    cube = stats.qmc.Sobol(len(space), rng=rng).random(CANDIDATES)
    for reach in 0.1 / 2 ** np.arange(ROUNDS):
        place = cube[improvement(cube).argmax()]
        cube = np.vstack([place, np.clip(place + reach * rng.standard_normal((NEARBY, len(space))), 0, 1)])
    return at_place(space, place)


def at_place(space: Space, place: np.ndarray) -> Params:
    """The parameters at a place (D,) of the unit cube."""
    return {name: _value(own, float(u)) for (name, own), u in zip(space.items(), place, strict=True)}


def _value(own: BaseDistribution, u: float) -> Any:
    if isinstance(own, CategoricalDistribution):
        return own.choices[min(int(u * len(own.choices)), len(own.choices) - 1)]
    return float(own.low * (own.high / own.low) ** u if own.log else own.low + u * (own.high - own.low))


def encoded(space: Space, params: Sequence[Params]) -> np.ndarray:
    """Points (N, D): places on the parameter's own scale, a column for each choice."""
    columns = []
    for name, own in space.items():
        if isinstance(own, CategoricalDistribution):
            columns += [[float(one[name] == value) for one in params] for value in own.choices]
        else:
            columns.append([unit(own, one[name]) for one in params])
    return np.array(columns).T


def repetition(surface: Surface, images: tuple[int, int], sampler: str, seed: int, trials: int) -> tuple[float, float]:
    """The true AUROC of the trial of the highest value, and of that of the highest posterior mean."""
    space, rng = surface.space, np.random.default_rng(seed)
    best = rng.uniform(0.15, 0.85, len(space))
    labels = np.repeat([0, 1], images)
    luck = rng.standard_normal(len(labels))
    rows, truths = [], []
    for index in range(trials):
        if sampler == "known":
            params = known(space, rows, index, seed, images)
        else:
            _, params = search.suggest(space, {}, rows, index, seed, sampler)
        at = np.array([unit(own, params[name]) for name, own in space.items()])
        truths.append(USELESS + (BEST - USELESS) * surface.share(best, at))
        apart = np.sqrt(2) * stats.norm.ppf(truths[-1])
        own_luck = np.sqrt(SHARED_LUCK) * luck + np.sqrt(1 - SHARED_LUCK) * rng.standard_normal(len(labels))
        rows.append(Row(json.dumps(params), image.auroc(labels, apart * labels + own_luck), index))
    points = encoded(space, [json.loads(row.params) for row in rows])
    process = fitted(points, np.array([row.val_auc for row in rows]), *images)
    return truths[search.best(rows).index], truths[int(process.says(points)[0].argmax())]


def pair(text: str) -> tuple[int, int]:
    good, defective = text.split("+")
    return int(good), int(defective)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, default=20, metavar="N")
    parser.add_argument("--repetitions", type=int, default=60, metavar="N", help="of each line (default: 60)")
    parser.add_argument("--seed", type=int, default=100, metavar="N", help="the first repetition's (default: 100)")
    parser.add_argument("--images", type=pair, nargs="+", default=IMAGES, metavar="N+N", help="good and defective ones")
    return parser.parse_args()


if __name__ == "__main__":
    main()
