"""The figures of a detector: what chooses comes from the validation part, what reports from the test part."""

import dataclasses

import numpy as np
import pytest
import torch
from PIL import Image

from datasets.frame import Frame, frame_of
from datasets.images import load
from datasets.masks import in_frame
from orchestrator.metrics import image
from orchestrator.metrics.shares import share_interval
from orchestrator.metrics.thresholds import for_best_f1, for_false_alarms
from orchestrator.training import detectors, kept_pictures, scoring
from orchestrator.training.measure import measure, validate
from orchestrator.training.selection import select

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def job(make_job):
    return make_job("fabric", model=("mean_image",), size_px=32)


@pytest.fixture(scope="module")
def data(fabric):
    return select(fabric, "holdout", 0, CPU)


@pytest.fixture(scope="module")
def detector(job, data):
    detector = detectors.of_job(job, {}, data, seed=0)
    detector.calibrate(scoring.normals(data.pixels, data.train))
    return detector


def test_the_threshold_and_the_range_of_maps_come_from_validation_alone(detector, job, fabric, data):
    scores, maps = scoring.score(detector, data.val)
    poisoned = dataclasses.replace(fabric, pixels=fabric.pixels.copy())
    poisoned.pixels[data.split.test] = 255
    for source in (fabric, poisoned):
        found = measure(detector, job, source, data)
        expected = for_false_alarms(data.val_labels, scores, 0.05)
        assert found.figures["threshold"] == expected.value
        assert found.figures["false_alarms_most"] == expected.most_false_alarms
        assert found.map_low == maps.min()
        assert np.mean(maps > found.map_high) == pytest.approx(1e-3, rel=0.01)


def test_the_best_f1_may_set_the_threshold(make_job, detector, fabric, data):
    scores, _ = scoring.score(detector, data.val)
    by_f1 = make_job("fabric", model=("mean_image",), size_px=32, threshold="f1")
    figures = measure(detector, by_f1, fabric, data).figures
    assert figures["threshold"] == for_best_f1(data.val_labels, scores).value
    assert figures["false_alarms"] is figures["false_alarms_most"] is None


def test_validation_scores_that_are_not_finite_set_no_threshold(detector, job, fabric, data, monkeypatch):
    score = type(detector).score

    def broken(self, images):
        scores, maps = score(self, images)
        return scores * float("nan"), maps

    monkeypatch.setattr(type(detector), "score", broken)
    with pytest.raises(FloatingPointError, match="threshold are not finite"):
        measure(detector, job, fabric, data)


def test_recall_and_false_alarms_have_the_intervals_of_their_counts(detector, job, fabric, data):
    found = measure(detector, job, fabric, data)
    labels = np.array([score.label for score in found.scores])
    flagged = np.array([score.score for score in found.scores]) >= found.figures["threshold"]
    alarms, good = int(flagged[labels == 0].sum()), int((labels == 0).sum())
    hits, defective = int(flagged[labels == 1].sum()), int((labels == 1).sum())
    names = ("false_alarm_rate_low", "false_alarm_rate_high")
    assert found.figures["false_alarm_rate"] == pytest.approx(alarms / good)
    assert [found.figures[name] for name in names] == pytest.approx(share_interval(alarms, good))
    ends = found.figures["recall_low"], found.figures["recall_high"]
    assert ends == pytest.approx(share_interval(hits, defective))
    assert found.figures["f1_of_all"] == pytest.approx(2 * defective / (defective + len(labels)))


def test_every_test_image_has_a_score_and_the_figures_follow_from_the_scores(detector, job, fabric, data):
    found = measure(detector, job, fabric, data)
    assert [score.path for score in found.scores] == [fabric.samples[i].path for i in data.split.test]
    labels = np.array([score.label for score in found.scores])
    values = np.array([score.score for score in found.scores])
    assert found.figures["test_auc"] == image.auroc(labels, values)
    assert found.figures["accuracy"] == np.mean((values >= found.figures["threshold"]) == labels)
    assert found.figures["test_images"] == len(labels) and found.figures["score_images_per_s"] > 0


def test_without_masks_there_are_no_figures_of_pixels(detector, job, fabric, data):
    figures = measure(detector, job, dataclasses.replace(fabric, masks=None), data).figures
    assert figures["pixel_auroc"] is figures["au_pro"] is figures["mask_px"] is None and figures["test_auc"] is not None


def test_defects_without_a_mask_count_as_images_and_not_as_pixels(detector, job, fabric, data):
    """A defect without a mask is no region that is free of defects."""
    whole = measure(detector, job, fabric, data).figures
    bare = [i for i in data.split.test if fabric.samples[i].defect == "hole"]
    samples = tuple(dataclasses.replace(s, masks=()) if i in bare else s for i, s in enumerate(fabric.samples))
    figures = measure(detector, job, dataclasses.replace(fabric, samples=samples), data).figures
    assert whole["pixel_images"] == whole["test_images"] == figures["test_images"]
    assert figures["pixel_images"] == whole["pixel_images"] - len(bare)
    assert figures["test_auc"] == whole["test_auc"] and figures["au_pro"] != whole["au_pro"]
    without = select_without(data, bare)
    assert figures["au_pro"] == measure(detector, job, fabric, without).figures["au_pro"]


def select_without(data, left_out):
    """The same, with fewer test images."""
    test = np.array([i for i in data.split.test if i not in left_out])
    return dataclasses.replace(data, split=dataclasses.replace(data.split, test=test))


@pytest.fixture(scope="module")
def bars(tmp_path_factory):
    """A folder of noise, 24 wide and 60 high, some of it defective; with masks."""
    root, rng = tmp_path_factory.mktemp("bars"), np.random.default_rng(0)
    for kind, count in (("good", 40), ("dent", 60)):
        for i in range(count):
            path = root / "cups" / kind / f"{i}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 255, (60, 24, 3), dtype=np.uint8)).save(path)
    for i in range(60):
        mask = np.zeros((60, 24), np.uint8)
        top, left = rng.integers(50), rng.integers(14)
        mask[top : top + 10, left : left + 10] = 255
        path = root / "cups" / "ground_truth" / "dent" / f"{i}_mask.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(mask).save(path)
    return str(root)


@pytest.mark.parametrize("fit", ["letterbox", "stretch"])
@pytest.mark.parametrize("size_px", [32, 64])
def test_a_random_map_that_is_cold_in_the_bars_knows_nothing_of_pixels(bars, make_job, fit, size_px):
    images = load("folder", bars, "cups", frame_of(fit, size_px))
    data = select(images, "paper", 0, CPU)
    detector = detectors.of_job(make_job("cups", model=("mean_image",), size_px=size_px, fit=fit), {}, data, seed=0)
    rows, columns = images.frame.inside(60, 24)
    rng = np.random.default_rng(1)

    def score(batch):
        maps = torch.zeros(len(batch), size_px, size_px)
        inside = torch.from_numpy(rng.random((len(batch), rows.stop - rows.start, columns.stop - columns.start)))
        maps[:, rows, columns] = 1 + inside.float()
        return maps.amax(dim=(1, 2)), maps

    detector.score = score
    figures = measure(detector, make_job("cups", protocol="paper", size_px=size_px, fit=fit), images, data).figures
    assert figures["pixel_auroc"] == pytest.approx(0.5, abs=0.01)
    assert figures["au_pro"] == pytest.approx(0.15, abs=0.015), "half of the limit, as on a square picture"
    assert figures["mask_px"] == 24


def test_a_map_that_knows_the_masks_is_nearly_perfect_at_any_size(bars, make_job):
    for size_px in (32, 64):
        images = load("folder", bars, "cups", Frame(size_px, size_px))
        data = select(images, "paper", 0, CPU)
        job = make_job("cups", model=("mean_image",), protocol="paper", size_px=size_px)
        detector = detectors.of_job(job, {}, data, seed=0)
        shown = {images.pixels[i].tobytes(): in_frame(images.masks[i], images.frame) for i in data.split.test}

        def score(batch, shown=shown):
            squares = kept_pictures.to_pixels(batch)
            maps = torch.from_numpy(np.stack([shown[square.tobytes()] for square in squares])).float()
            return maps.amax(dim=(1, 2)), maps

        detector.score = score
        figures = measure(detector, job, images, data).figures
        assert figures["pixel_auroc"] > 0.98 and figures["au_pro"] > 0.9


def test_the_validation_auroc_is_that_of_its_scores(detector, data):
    scores, _ = scoring.score(detector, data.val)
    value, of = validate(detector, data)
    assert value == image.auroc(data.val_labels, scores) and np.array_equal(of, scores)


@pytest.mark.parametrize("part", ["validation", "both"])
def test_a_detector_is_calibrated_on_the_training_images_before_it_is_looked_at(part, job, fabric, data):
    calibrated, asked = [], []
    detector = detectors.of_job(job, {}, data, seed=0)
    score, calibrate = detector.score, detector.calibrate

    def seen(normals):
        calibrated.extend(normals)
        calibrate(calibrated)

    detector.calibrate, detector.score = seen, lambda images: asked.append(len(calibrated)) or score(images)
    if part == "validation":
        validate(detector, data)
    else:
        measure(detector, job, fabric, data)
    assert asked and min(asked) == len(calibrated) > 0
    assert torch.equal(torch.cat(calibrated), scoring.normalise(data.pixels[data.train]))


def test_scores_that_are_not_finite_are_told_as_divergence(job, data):
    detector = detectors.of_job(job, {}, data, seed=0)
    detector.score = lambda images: (torch.full((len(images),), torch.nan), torch.zeros(len(images), 32, 32))
    with pytest.raises(FloatingPointError, match="training diverged"):
        validate(detector, data)
