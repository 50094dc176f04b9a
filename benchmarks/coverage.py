"""How often 95 % intervals of AUROCs hold the truth: ours beside the percentile bootstrap.

Method. Scores are drawn, `--repetitions` test parts a line, from one seed; the true AUROC is set by the distance of the
means. Of three shapes: `equal`, normals and defects of one Gaussian spread; `wide defects`, whose spread is twice the
normals'; `wide normals`, the other way round, so that few odd normals decide. The bootstrap draws images within each
class 1000 times and takes the middle 95 % of the AUROCs. Told are the share of intervals that hold the truth, the share
of zero width, and the mean width. The standard error of a share of .95 over 2000 repetitions is .005.

- one detector: orchestrator.metrics.intervals.auroc_interval
- two detectors that are equally good and share half of their luck with each image: how often the interval of their
  difference leaves 0 out (.05 is nominal), and its width; the bootstrap draws the same images for both
- several seeds of a detector whose skill varies (its separation, in standard deviations, by .3): the mean over seeds
  against the expected AUROC of a training. They judge the same test part, random halves of the same images as protocol
  holdout does, or images of their own
- recall where 5 % of the good images are flagged, of one detector: orchestrator.metrics.operating_points.recall_at_fpr

    python benchmarks/coverage.py                      # four minutes on one CPU core
    python benchmarks/coverage.py --repetitions 200    # twenty seconds
"""

import argparse

import numpy as np
from scipy import stats

from orchestrator.metrics import intervals, operating_points

PARTS = ((10, 31), (6, 15), (20, 60))  # good and defective images
AUROCS = (0.8, 0.95, 0.99)
RECALL_PARTS, FPR = ((10, 31), (60, 60), (100, 50), (300, 100)), 0.05
SHAPES = {"equal": (1.0, 1.0), "wide defects": (1.0, 2.0), "wide normals": (2.0, 1.0)}  # spreads of normals and defects
BOOTSTRAPS = 1000
SHARED_LUCK, SKILL_SPREAD = 0.5, 0.3
Bounds = tuple[float, float]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repetitions", type=int, default=2000, metavar="N", help="test parts a line (default: 2000)")
    repetitions = parser.parse_args().repetitions
    print_one(repetitions)
    print_two(repetitions)
    print_seeds(repetitions)
    print_recall(repetitions)


def print_one(repetitions: int) -> None:
    columns = "ours: held | zero width | width | bootstrap: held | zero width | width"
    print_head(f"good / defective | shape | true AUROC | {columns}")
    for part in PARTS:
        for shape, spreads in SHAPES.items():
            for auroc in AUROCS:
                draws = [scores(part, auroc, spreads, rng) for rng in generators(repetitions)]
                labels = labels_of(part)
                told = (summary(auroc, [by(labels, own) for own in draws]) for by in (ours, bootstrap))
                print_line(f"{part[0]} / {part[1]}", shape, auroc, *(value for values in told for value in values))


def print_two(repetitions: int) -> None:
    print_head(
        "good / defective | AUROC of both | ours: 0 left out | zero width | width "
        "| bootstrap: 0 left out | zero width | width"
    )
    for part in PARTS:
        for auroc in AUROCS:
            pairs = [pair(part, auroc, rng) for rng in generators(repetitions)]
            told = [summary(0.0, [by(labels_of(part), *own) for own in pairs]) for by in (our_difference, bootstrap)]
            cells = (value for held, no_width, width in told for value in (1 - held, no_width, width))
            print_line(f"{part[0]} / {part[1]}", auroc, *cells)


def print_seeds(repetitions: int) -> None:
    print_head("seeds | they judge | mean AUROC | held | width")
    for auroc in AUROCS[:2]:
        for seeds in (2, 3, 5):
            for judged in ("the same images", "random halves", "images of their own"):
                truth = expected_auroc(auroc)
                found = [seeds_interval(auroc, seeds, judged, rng) for rng in generators(repetitions)]
                held, _, width = summary(truth, found)
                print_line(seeds, judged, truth, held, width)


def print_recall(repetitions: int) -> None:
    print_head("good / defective | shape | recall at 5 % false alarms | mean figure | held | width")
    for part in RECALL_PARTS:
        for shape, spreads in SHAPES.items():
            for auroc in AUROCS:
                draws = [scores(part, auroc, spreads, rng) for rng in generators(repetitions)]
                points = [operating_points.recall_at_fpr(labels_of(part), own, FPR) for own in draws]
                truth = recall_at(FPR, auroc, spreads)
                held, _, width = summary(truth, [(point.low, point.high) for point in points])
                mean = float(np.mean([point.value for point in points]))
                print_line(f"{part[0]} / {part[1]}", shape, truth, mean, held, width)


# -- what is drawn


def generators(repetitions: int) -> list[np.random.Generator]:
    return [np.random.default_rng([0, repetition]) for repetition in range(repetitions)]


def labels_of(part: tuple[int, int]) -> np.ndarray:
    return np.repeat([0, 1], part)


def distance(auroc: float, spreads: tuple[float, float]) -> float:
    """Of the means of two Gaussians."""
    return float(np.hypot(*spreads) * stats.norm.ppf(auroc))


def scores(part: tuple[int, int], auroc: float, spreads: tuple[float, float], rng: np.random.Generator) -> np.ndarray:
    labels = labels_of(part)
    return np.take(spreads, labels) * rng.normal(size=len(labels)) + distance(auroc, spreads) * labels


def pair(part: tuple[int, int], auroc: float, rng: np.random.Generator) -> list[np.ndarray]:
    labels = labels_of(part)
    luck = np.sqrt(SHARED_LUCK) * rng.normal(size=len(labels))
    own = np.sqrt(1 - SHARED_LUCK) * rng.normal(size=(2, len(labels)))
    return list(luck + own + distance(auroc, (1.0, 1.0)) * labels)


def recall_at(fpr: float, auroc: float, spreads: tuple[float, float]) -> float:
    """Of the two Gaussians of `scores`."""
    threshold = spreads[0] * stats.norm.isf(fpr)
    return float(stats.norm.sf((threshold - distance(auroc, spreads)) / spreads[1]))


def expected_auroc(auroc: float) -> float:
    """Over trainings whose separation varies by SKILL_SPREAD around that of `auroc`."""
    return float(stats.norm.cdf(distance(auroc, (1.0, 1.0)) / np.sqrt(2 + SKILL_SPREAD**2)))


def seeds_interval(auroc: float, seeds: int, judged: str, rng: np.random.Generator) -> Bounds:
    """Of the mean over seeds, each of which judges 10 good and 31 defective images."""
    copies = {"the same images": 1, "random halves": 2, "images of their own": seeds}[judged]
    labels = np.tile(labels_of(PARTS[0]), copies)
    luck = np.sqrt(SHARED_LUCK) * rng.normal(size=len(labels))
    placed = np.full((len(labels), seeds), np.nan)
    for seed in range(seeds):
        skill = distance(auroc, (1.0, 1.0)) + SKILL_SPREAD * rng.normal()
        found = luck + np.sqrt(1 - SHARED_LUCK) * rng.normal(size=len(labels)) + skill * labels
        if judged == "random halves":
            own = np.concatenate([rng.choice(np.flatnonzero(labels == i), PARTS[0][i], replace=False) for i in (0, 1)])
        else:
            own = np.arange(sum(PARTS[0])) + sum(PARTS[0]) * (seed % copies)
        placed[own, seed] = intervals.placements(labels[own], found[own])
    return intervals.of_auroc(intervals.estimate(labels, placed))


# -- what is said of it


def ours(labels: np.ndarray, found: np.ndarray) -> Bounds:
    return intervals.auroc_interval(labels, found)


def our_difference(labels: np.ndarray, one: np.ndarray, other: np.ndarray) -> Bounds:
    placed = intervals.placements(labels, one) - intervals.placements(labels, other)
    return intervals.of_difference(intervals.estimate(labels, placed[:, None]))


def bootstrap(labels: np.ndarray, one: np.ndarray, other: np.ndarray | None = None) -> Bounds:
    """Percentile interval of an AUROC, or of the difference of two."""
    rng = np.random.default_rng(0)
    normal, defective = (np.flatnonzero(labels == label) for label in (0, 1))
    wins = won(one, defective, normal) - (0 if other is None else won(other, defective, normal))
    drawn_d, drawn_n = (
        rng.multinomial(len(own), np.full(len(own), 1 / len(own)), size=BOOTSTRAPS) for own in (defective, normal)
    )
    low, high = np.quantile(((drawn_d @ wins) * drawn_n).sum(1) / wins.size, [0.025, 0.975])
    return float(low), float(high)


def won(found: np.ndarray, defective: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(D, N): 1 where a defective image scores above a normal one. No two scores are equal here."""
    return (found[defective][:, None] > found[normal][None, :]).astype(float)


def summary(truth: float, found: list[Bounds]) -> tuple[float, float, float]:
    """The shares that hold the truth and that have no width, and the mean width."""
    low, high = np.array(found).T
    rounding = 1e-12
    held = (low - rounding <= truth) & (truth <= high + rounding)
    return float(held.mean()), float((high - low < rounding).mean()), float((high - low).mean())


def print_head(text: str) -> None:
    print(f"\n| {text} |", "|" + "---|" * (text.count("|") + 1), sep="\n", flush=True)


def print_line(*values: object) -> None:
    cells = (f"{value:.3f}" if isinstance(value, float) else str(value) for value in values)
    print(f"| {' | '.join(cells)} |", flush=True)


if __name__ == "__main__":
    main()
