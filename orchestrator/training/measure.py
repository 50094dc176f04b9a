"""The figures of a detector: while it is trained, from the validation part alone; of a trained one, from the test part
too, which is looked at here only.
"""

import dataclasses
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from datasets.images import Images
from model.contract import Detector
from orchestrator.experiment import search
from orchestrator.experiment.job import Job
from orchestrator.metrics import crossfit, image, intervals, looks, pixel, shares, thresholds
from orchestrator.metrics.crossfit import CrossFitted
from orchestrator.results.rows import PictureRow, ScoreRow, TrialRow
from orchestrator.training import kept_pictures, scoring
from orchestrator.training.selection import Selection

ENDS = ("low", "high")


@dataclass(frozen=True)
class Measurement:
    """What a trained detector came to."""

    figures: dict[str, Any]  # columns of the job's row
    scores: list[ScoreRow]  # one for each test image
    pictures: list[PictureRow]
    map_low: float  # of the validation part's maps the least value, and the highest but 0.1 %
    map_high: float
    normal_scores: np.ndarray  # of the validation part's normal images, and of its defective ones
    defect_scores: np.ndarray
    looks: dict[str, list[float]] = field(default_factory=dict)  # of normal images that were not tested


def validate(detector: Detector, data: Selection) -> tuple[float, np.ndarray]:
    """Validation AUROC, and the scores (V,) that it is of. Raises FloatingPointError where training has diverged."""
    detector.calibrate(scoring.normals(data.pixels, data.train))
    scores, _ = scoring.score(detector, data.val)
    value = image.auroc(data.val_labels, scores)
    if value is None:
        raise FloatingPointError("training diverged: the validation scores are not finite; a lower lr may help")
    return value, scores


def measure(
    detector: Detector, job: Job, images: Images, data: Selection, considered: Sequence[TrialRow] = ()
) -> Measurement:
    """Scores both parts: the threshold and the maps' range come from the validation part, all else from the test part.

    Under protocol crossfit, where both are the same images, what is measured is the choice among all epochs of the
    completed trials `considered`; but maps are the detector's, which is the best of all of them. Raises
    FloatingPointError where a score is not finite.
    """
    device, test = data.pixels.device, data.split.test
    detector.calibrate(scoring.normals(data.pixels, data.train))
    val_scores, val_maps = scoring.score(detector, data.val)
    chosen = _threshold(job, data.val_labels, val_scores)
    pictures, start = scoring.to_device(images.pixels[test], device), time.perf_counter()
    scores, maps = scoring.score(detector, pictures)
    score_s = time.perf_counter() - start
    if not np.isfinite(scores).all():
        raise FloatingPointError("the scores of the test part are not finite")
    judged = CrossFitted(scores, np.full(len(test), chosen.value), (), ())
    if job.experiment.protocol == "crossfit":
        judged = _crossfitted(job, data, considered)
    figures = {
        "val_auc": image.auroc(data.val_labels, val_scores),
        "threshold": chosen.value,
        "false_alarms": job.experiment.false_alarm_share,
        "false_alarms_most": chosen.most_false_alarms,
        "score_images_per_s": len(test) / score_s,
        **dict(zip(("score_ms", "score_ms_p99"), scoring.latency_ms(detector, pictures) or (None, None), strict=True)),
        "folds": _folds(judged, data, considered),
        **_test_figures(images, test, judged, maps),
    }
    return Measurement(
        figures,
        _score_rows(job, images, test, judged),
        kept_pictures.rows(detector, job, images, test, judged.scores, maps, judged.thresholds, device),
        map_low=float(val_maps.min()),
        map_high=float(np.quantile(val_maps, 1 - kept_pictures.SATURATED_SHARE)),
        normal_scores=val_scores[data.val_labels == 0],
        defect_scores=val_scores[data.val_labels == 1],
        looks=_looks(images, data, val_scores),
    )


def _looks(images: Images, data: Selection, val_scores: np.ndarray) -> dict[str, list[float]]:
    """What is kept of how normal images look, those that trained and those that chose and are not tested, and of the
    scores of those that chose."""
    chose = [i for i in data.split.val if images.labels[i] == 0]
    own = sorted({*data.split.train.tolist(), *chose} - set(data.split.test.tolist()))
    of_pictures = looks.of_pictures((images.pixels[i] for i in own), [images.native_sizes[i] for i in own])
    return looks.quantiles({**of_pictures, "score": val_scores[data.val_labels == 0]})


def _threshold(job: Job, labels: np.ndarray, scores: np.ndarray) -> thresholds.Threshold:
    share = job.experiment.false_alarm_share
    if share is None:
        return thresholds.for_best_f1(labels, scores)
    return thresholds.for_false_alarms(labels, scores, share)


def _crossfitted(job: Job, data: Selection, considered: Sequence[TrialRow]) -> CrossFitted:
    deployed = search.best(considered)
    epochs = _epochs(considered)
    candidates = np.concatenate([np.reshape(np.array(row.val_scores, float), (row.epochs, -1)) for row in considered])
    return crossfit.judge(
        data.val_labels,
        data.split.fold,
        candidates,
        epochs.index((deployed.trial_id, deployed.best_epoch)),
        lambda labels, scores: _threshold(job, labels, scores).value,
    )


def _epochs(considered: Sequence[TrialRow]) -> list[tuple[str, int]]:
    """Trial and epoch of each candidate."""
    return [(row.trial_id, epoch) for row in considered for epoch in range(1, row.epochs + 1)]


def _folds(judged: CrossFitted, data: Selection, considered: Sequence[TrialRow]) -> str | None:
    """What judged each fold, and how well; None where there are none."""
    if not judged.chosen:
        return None
    epochs, found = _epochs(considered), []
    for fold, best in enumerate(judged.chosen):
        within = data.split.fold == fold
        trial_id, epoch = epochs[best]
        value = image.auroc(data.val_labels[within], judged.scores[within])
        found.append({"trial": trial_id, "epoch": epoch, "others_auc": judged.values[fold], "auc": value})
    return json.dumps(found)


def _test_figures(images: Images, test: np.ndarray, judged: CrossFitted, maps: np.ndarray) -> dict[str, Any]:
    """Of the test images `test` (T,), what is said of them and their maps (T, H, W)."""
    labels, scores = images.labels[test], judged.scores
    low, high = intervals.auroc_interval(labels, scores)
    return {
        "test_auc": image.auroc(labels, scores),
        "test_auc_low": low,
        "test_auc_high": high,
        **dataclasses.asdict(image.verdicts(labels, scores, judged.thresholds)),
        **_rates(labels, scores >= judged.thresholds),
        "average_precision": image.average_precision(labels, scores),
        **_pixel_figures(images, test, maps),
        "test_images": len(test),
    }


def _rates(labels: np.ndarray, flagged: np.ndarray) -> dict[str, float]:
    """Of verdicts (T,): what they miss and what they flag in vain, with intervals, and what F1 is worth."""
    found = shares.verdict_intervals(labels, flagged[:, None].astype(float))
    ends = {f"{name}_{end}": found[name][i] for name in ("recall", "false_alarm_rate") for i, end in enumerate(ENDS)}
    everything = image.verdicts(labels, np.ones(len(labels)), threshold=0.0)
    return {"false_alarm_rate": float(flagged[labels == 0].mean()), **ends, "f1_of_all": everything.f1}


def _pixel_figures(images: Images, test: np.ndarray, maps: np.ndarray) -> dict[str, Any]:
    """Of maps (T, H, W), each brought to the proportions and the size of its picture's mask: no bar counts. Defective
    images of which no mask is known are left out."""
    samples = [images.samples[i] for i in test]
    known = [place for place, sample in enumerate(samples) if sample.label == 0 or sample.masks]
    if images.masks is None or not any(samples[place].masks for place in known):
        return dict.fromkeys(("pixel_auroc", "au_pro", "mask_px", "pixel_images"))
    masks = [images.masks[test[place]] for place in known]
    own = [
        images.frame.out_of(maps[place], images.native_sizes[test[place]], mask.shape)
        for place, mask in zip(known, masks, strict=True)
    ]
    return {
        "pixel_auroc": pixel.pixel_auroc(masks, own),
        "au_pro": pixel.au_pro(masks, own),
        "mask_px": max(min(mask.shape) for mask in masks),
        "pixel_images": len(known),
    }


def _score_rows(job: Job, images: Images, test: np.ndarray, judged: CrossFitted) -> list[ScoreRow]:
    identity = {
        "job_id": job.id,
        "dataset": job.category.dataset,
        "category": job.category.name,
        "model": job.model,
        "seed": job.seed,
    }
    return [
        ScoreRow(
            **identity,
            path=images.samples[i].path,
            label=images.samples[i].label,
            defect=images.samples[i].defect,
            score=float(score),
            threshold=float(threshold),
        )
        for i, score, threshold in zip(test, judged.scores, judged.thresholds, strict=True)
    ]
