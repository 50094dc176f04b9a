"""The detector that learns on forged defects: its loss, its calibration, and what its score is made of."""

import copy
import math

import pytest
import torch

from model import patch_forged
from model.parts.forging import Recipe
from model.parts.smoothing import smooth, to_pixels
from model.patch_forged import PatchForged, Spread, dice_loss, focal_loss, schedule

SIZE_PX = 32


def images(count: int = 12, seed: int = 0) -> torch.Tensor:
    """A bright square on a dark ground, with some noise."""
    generator = torch.Generator().manual_seed(seed)
    square = torch.full((3, SIZE_PX, SIZE_PX), -0.5)
    square[:, 8:24, 8:24] = 0.5
    return square + 0.05 * torch.randn(count, 3, SIZE_PX, SIZE_PX, generator=generator)


def build(seed: int = 0, **hparams) -> PatchForged:
    torch.manual_seed(seed)
    return PatchForged(PatchForged.HParams(**{"width": 8, **hparams}), (3, SIZE_PX, SIZE_PX), "cpu")


def trained(steps: int = 3, **hparams) -> PatchForged:
    """Calibrated before its steps and after them."""
    detector = build(**hparams)
    detector.calibrate([images()])
    for step in range(steps):
        detector.step(images(), step / steps)
    detector.calibrate([images()])
    return detector


# -- calibration


def test_the_first_calibration_fits_the_gaussians_and_the_mean_from_all_batches():
    detector = build()
    detector.calibrate(images().split(3))
    assert detector.deviations.is_fitted() and detector.deviations.gaussians[0].images == 12
    torch.testing.assert_close(detector.reconstruct(images(1))[0], images().mean(dim=0))
    assert [(spread.mean.item(), spread.deviation.item()) for spread in detector.spreads.values()] == 2 * [(0.0, 1.0)]


def test_further_ones_leave_them_and_look_at_a_few_batches_for_what_normal_images_reach():
    detector, looked = trained(), []
    before = copy.deepcopy(detector.deviations.state_dict()), detector.reconstruct(images(1))

    def batches():
        for batch in images(40, seed=5).split(8):
            looked.append(len(batch))
            yield batch

    spread = detector.spreads["distance"].mean.clone()
    detector.calibrate(batches())
    assert all(map(torch.equal, before[0].values(), detector.deviations.state_dict().values()))
    assert torch.equal(before[1], detector.reconstruct(images(1)))
    assert looked == [8, 8] and detector.spreads["distance"].mean != spread


def test_normal_images_are_looked_at_as_if_the_gaussians_had_not_seen_them():
    detector = trained()
    evidence, distances = detector.deviations(images(), without=images())
    logits = detector.judge_average(evidence)[:, 0]
    for name, maps in (("logit", logits), ("distance", distances)):
        highest = smooth(maps, detector.hparams.smoothing_cells).amax(dim=(1, 2))
        torch.testing.assert_close(detector.spreads[name].mean, highest.mean())
        torch.testing.assert_close(detector.spreads[name].deviation, highest.std(correction=0))


def test_a_spread_brings_the_highest_values_of_normal_images_to_mean_0_and_deviation_1():
    spread, maps = Spread(), torch.randn(50, 4, 4) * 3 + 7
    assert torch.equal(spread(maps), maps)
    spread.fit(maps)
    highest = spread(maps).amax(dim=(1, 2))
    assert highest.mean().item() == pytest.approx(0, abs=1e-4) and highest.std(correction=0).item() == pytest.approx(1)
    spread.fit(torch.ones(5, 2, 2))
    assert spread(maps).isfinite().all(), "normal images that are all alike are no division by zero"


# -- training


def test_training_reduces_the_loss():
    detector, losses = build(lr=0.01, width=16), []
    detector.calibrate([images()])
    for step in range(60):
        losses.append(detector.step(images(), step / 60)["judge"].item())
    assert sum(losses[-10:]) < 0.5 * sum(losses[:10])


def test_the_loss_is_that_of_forged_images_judged_without_their_own_normal_one(monkeypatch):
    """Of the cells of 16 px, the one that is forged is the target; one of which 1 px is forged is left out."""
    detector, normal = build(w_dice=0.5), images(4)
    detector.calibrate([images()])
    forged, mask = normal.clone(), torch.zeros(4, SIZE_PX, SIZE_PX, dtype=torch.bool)
    mask[:, 4:8, 4:8] = mask[:, 20, 20] = True
    forged[mask[:, None].expand_as(forged)] = 1.0
    monkeypatch.setattr(patch_forged, "forge", lambda given, share: (forged, mask))
    evidence, _ = detector.deviations(forged, without=normal)
    logits = copy.deepcopy(detector.judge).train()(evidence)
    target, counts = torch.zeros(4, 1, 8, 8), torch.ones(4, 1, 8, 8)
    target[:, :, 1, 1], counts[:, :, 5, 5] = 1.0, 0.0
    focal, dice = focal_loss(logits, target, counts), dice_loss(logits, target, counts)
    losses = detector.step(normal, 0.5)
    torch.testing.assert_close(losses, {"judge": focal + 0.5 * dice, "focal": focal, "dice": dice})
    assert not any(loss.requires_grad for loss in losses.values())


def test_a_step_forges_as_asked(monkeypatch):
    asked, forge = [], patch_forged.forge
    monkeypatch.setattr(patch_forged, "forge", lambda given, recipe: asked.append(recipe) or forge(given, recipe))
    build(forged_share=0.3, forged_size=0.1, forged_opacity=0.5, forgeries="pasted").step(images(), 0.0)
    assert asked == [Recipe(0.3, 0.1, 0.5, "pasted")]


def test_a_cell_that_is_well_judged_counts_little_in_the_focal_loss():
    logits, target = torch.tensor([0.0, math.log(9)]), torch.tensor([1.0, 1.0])  # p = .5, .9
    expected = (0.5**2 * -math.log(0.5) + 0.1**2 * -math.log(0.9)) / 2
    assert focal_loss(logits, target, torch.ones(2)).item() == pytest.approx(expected, rel=1e-4)
    assert focal_loss(-logits, 1 - target, torch.ones(2)).item() == pytest.approx(expected, rel=1e-4)


def test_dice_is_twice_the_overlap_of_the_total():
    logits, target = torch.tensor([0.0, math.log(9), -math.log(9)]), torch.tensor([1.0, 1.0, 0.0])
    expected = 1 - (2 * (0.5 + 0.9) + 1) / ((0.5 + 0.9 + 0.1) + 2 + 1)
    assert dice_loss(logits, target, torch.ones(3)).item() == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("loss", [focal_loss, dice_loss])
def test_cells_that_do_not_count_are_as_if_they_were_not_there(loss):
    logits, target = torch.randn(6), torch.tensor([1.0, 0.0, 1.0, 0.0, 1.0, 0.0])
    counts = torch.tensor([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])
    torch.testing.assert_close(loss(logits, target, counts), loss(logits[:3], target[:3], torch.ones(3)))
    assert loss(logits, target, torch.zeros(6)) == 0


def test_the_learning_rate_rises_and_then_falls_by_half_a_cosine():
    assert schedule(0.0) < 0.05 < schedule(0.02) < schedule(0.05)
    assert schedule(0.05) == pytest.approx(1, abs=0.01)
    assert schedule(0.5) == pytest.approx(0.5) and schedule(1.0) == pytest.approx(0, abs=1e-9)
    detector = build(lr=0.01)
    detector.step(images(), 0.5)
    assert detector.adamw.param_groups[0]["lr"] == pytest.approx(0.005)


def test_it_is_ready_when_the_learning_rate_has_come_down():
    detector = build()
    assert [detector.is_ready(progress) for progress in (0.0, 0.7, 0.75, 1.0)] == [False, False, True, True]


def test_calibrations_between_steps_change_nothing_of_the_training():
    """So a resumed training, which is calibrated once more, goes on exactly."""
    ends = []
    for calibrations in (1, 3):
        detector = build()
        detector.calibrate([images()])
        for step in range(4):
            if step == 2:
                for _ in range(calibrations - 1):
                    detector.calibrate([images()])
            torch.manual_seed(step)
            detector.step(images(), step / 4)
        detector.calibrate([images()])
        ends.append(detector.score(images(3, seed=1))[0])
    assert torch.equal(*ends)


# -- its score


def test_the_map_is_the_sum_of_both_in_their_units_and_the_score_its_highest():
    detector, asked = trained(w_distance=0.5), images(3, seed=1)
    evidence, distances = detector.deviations(asked)
    sigma, spreads = detector.hparams.smoothing_cells, detector.spreads
    logits = detector.judge_average(evidence)[:, 0]
    expected = spreads["logit"](smooth(logits, sigma)) + 0.5 * spreads["distance"](smooth(distances, sigma))
    scores, maps = detector.score(asked)
    torch.testing.assert_close(scores, expected.amax(dim=(1, 2)))
    torch.testing.assert_close(maps, to_pixels(expected, 4, SIZE_PX, SIZE_PX))


def test_the_averaged_judge_scores_not_the_one_that_is_trained():
    detector, asked = trained(), images(3, seed=1)
    first = detector.judge_average.average[0].weight
    assert not torch.equal(first, build().judge[0].weight), "it follows the judge"
    before = detector.score(asked)[0]
    with torch.no_grad():
        for parameter in detector.judge.parameters():
            parameter.zero_()
    assert torch.equal(detector.score(asked)[0], before)


def test_normal_images_score_about_0_on_average_by_either_part():
    detector = trained(w_distance=0.0)
    found, _ = detector.score(images(40, seed=3))
    assert found.mean().abs() < 3


def test_a_loaded_detector_scores_alike_and_keeps_what_it_knows_of_normal_images():
    detector, loaded = trained(), build(seed=9)
    loaded.load_state_dict(detector.state_dict())
    assert torch.equal(loaded.score(images(3, seed=1))[0], detector.score(images(3, seed=1))[0])
    loaded.calibrate([images()])
    assert torch.equal(loaded.score(images(3, seed=1))[0], detector.score(images(3, seed=1))[0])


def test_two_levels_score_too():
    scores, maps = trained(levels=2).score(images(2))
    assert scores.isfinite().all() and maps.shape == (2, SIZE_PX, SIZE_PX)


def test_on_a_backbone_it_sees_its_features_keeps_none_of_it_and_refuses_a_state_made_with_another():
    detector = trained(features="random")
    assert detector.score(images(2))[1].shape == (2, SIZE_PX, SIZE_PX)
    assert detector.deviations.gaussians[0].mean.shape == (100, 4, 4)
    assert detector.parameters_by_network()["backbone"] > 500_000
    assert not any("backbone" in name for name in detector.state_dict()["networks"])
    loaded = build(seed=9, features="random")
    loaded.load_state_dict(detector.state_dict())
    assert torch.equal(loaded.score(images(3, seed=1))[0], detector.score(images(3, seed=1))[0])
    with pytest.raises(RuntimeError, match="fitted with backbone weights"):
        loaded.load_state_dict(detector.state_dict() | {"backbone": "57934424"})


@pytest.mark.parametrize(
    "wrong",
    [{"lr": 0.0}, {"width": 3}, {"cell_px": 1}, {"levels": 0}, {"shrinkage": -0.1}, {"floor": 0.0},
     {"forged_share": 0.0}, {"forged_share": 1.1}, {"w_dice": -1.0}, {"smoothing_cells": 9.0}, {"w_distance": -1.0}],
)  # fmt: skip
def test_hparams_out_of_range_are_refused_in_one_line(wrong):
    (name,) = wrong
    with pytest.raises(ValueError, match=f"^{name} is .*: expected .*; set it to .*, for example$"):
        PatchForged.HParams(**wrong)


def test_evidence_of_cells_is_all_that_the_judge_sees():
    """Each logit depends on a neighbourhood: cells far from a change are judged as before."""
    detector = trained()
    evidence = torch.randn(1, detector.deviations.channels, 24, 24)
    changed = evidence.clone()
    changed[..., 0, 0] += 1
    moved = (detector.judge_average(changed) - detector.judge_average(evidence))[0, 0] != 0
    assert moved[:5, :5].any() and not moved[5:].any() and not moved[:, 5:].any()
