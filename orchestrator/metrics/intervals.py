"""How sure figures are: bootstraps over the test images of one run, or of several runs. It needs numpy alone."""

import functools

import numpy as np

from orchestrator.metrics import is_defined

BOOTSTRAPS = 2000


def auroc_interval(
    labels: np.ndarray, scores: np.ndarray, seed: int, coverage: float = 0.95
) -> tuple[float | None, float | None]:
    """Percentile bootstrap interval of the AUROC, resampled within each class."""
    if not is_defined(labels, scores):
        return None, None
    normal, defective = scores[labels == 0], scores[labels == 1]
    wins = _wins(defective, normal)
    draws_d, draws_n = _draws(seed, (len(defective), len(normal)))
    aucs = np.einsum("bd,dn,bn->b", draws_d, wins, draws_n, optimize=True) / wins.size
    return central(aucs, coverage)


def resampled_mean_auroc(labels: np.ndarray, scores: np.ndarray, seed: int) -> np.ndarray | None:
    """(BOOTSTRAPS,) resamples of the mean AUROC of R runs on U images; None unless each run has both classes.

    `scores` (U, R) is NaN where an image is not in a run's test part. Runs are drawn with replacement, and images
    within each class: an image for all runs at once (Owen 2007, the pigeonhole bootstrap), since runs that judge the
    same image are no independent evidence of it. Equal labels, shapes and seeds give equal draws, so that two models'
    resamples may be subtracted. The rare resample that leaves a drawn run without one of the classes is NaN.

    In simulations of 3 and 5 runs its 95 % interval held the truth in 93 to 95 % of cases where the runs judge the same
    images, and in 99 % where each judges a random half; images drawn for each run by itself: 79 to 83 %, and 94 %.
    """
    normal, defective = scores[labels == 0], scores[labels == 1]
    if any(np.isnan(part).all(0).any() for part in (normal, defective)):
        return None
    runs = scores.shape[1]
    draws_d, draws_n, draws_runs = _draws(seed, (len(defective), len(normal), runs))
    aucs = np.zeros((BOOTSTRAPS, runs))
    for run in range(runs):
        d, n = ~np.isnan(defective[:, run]), ~np.isnan(normal[:, run])
        won = ((draws_d[:, d] @ _wins(defective[d, run], normal[n, run])) * draws_n[:, n]).sum(1)
        with np.errstate(invalid="ignore"):
            aucs[:, run] = won / (draws_d[:, d].sum(1) * draws_n[:, n].sum(1))
    return np.where(draws_runs > 0, draws_runs * aucs, 0.0).sum(1) / runs


def resampled_mean_verdicts(labels: np.ndarray, flagged: np.ndarray, seed: int) -> dict[str, np.ndarray]:
    """(BOOTSTRAPS,) resamples of the mean accuracy, precision, recall and F1 of R runs on U images, drawn as in
    `resampled_mean_auroc`. `flagged` (U, R) is 1, 0, or NaN where an image is not in a run's test part."""
    defective, runs = labels == 1, flagged.shape[1]
    draws_d, draws_n, draws_runs = _draws(seed, (int(defective.sum()), int((~defective).sum()), runs))
    flags, judged = np.nan_to_num(flagged), ~np.isnan(flagged)
    hits, alarms = draws_d @ flags[defective], draws_n @ flags[~defective]  # (BOOTSTRAPS, R)
    positives, negatives = draws_d @ judged[defective], draws_n @ judged[~defective]
    with np.errstate(invalid="ignore"):
        measures = {
            "accuracy": (hits + negatives - alarms) / (positives + negatives),
            "precision": hits / np.maximum(hits + alarms, 1),
            "recall": hits / positives,
            "f1": 2 * hits / (hits + alarms + positives),
        }
    return {name: np.where(draws_runs > 0, draws_runs * m, 0.0).sum(1) / runs for name, m in measures.items()}


def central(resamples: np.ndarray, coverage: float = 0.95) -> tuple[float, float]:
    """The interval that leaves equal tails of the resamples on both sides; NaN ones are left out."""
    tail = (1 - coverage) / 2
    low, high = np.nanquantile(resamples, [tail, 1 - tail])
    return float(low), float(high)


def _wins(defective: np.ndarray, normal: np.ndarray) -> np.ndarray:
    """(D, N): 1 where a defective image scores above a normal one, 1/2 where they tie."""
    return (defective[:, None] > normal[None, :]) + 0.5 * (defective[:, None] == normal[None, :])


@functools.lru_cache(maxsize=16)  # the models of a category share their draws
def _draws(seed: int, sizes: tuple[int, ...]) -> list[np.ndarray]:
    """(BOOTSTRAPS, n) for each n of `sizes`: how often each of n items is drawn in a resample of n."""
    rng = np.random.default_rng(seed)
    return [rng.multinomial(n, np.full(n, 1 / n), size=BOOTSTRAPS).astype(np.float64) for n in sizes]
