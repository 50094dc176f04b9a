"""PatchCore: distances to the nearest normal patch."""

import dataclasses

import pytest
import torch

from model.patchcore import BLOCK, Bank, HParams, PatchCore, prepared

RANDOM = HParams(backbone="random", bank=64, smoothing_px=0.0)


def images(count: int = 6, size: int = 32, seed: int = 0) -> torch.Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def build(hparams: HParams = RANDOM, size: int = 32, **changes) -> PatchCore:
    torch.manual_seed(0)
    return PatchCore(dataclasses.replace(hparams, **changes), (3, size, size), "cpu")


def fitted(**changes) -> PatchCore:
    detector = build(**changes)
    detector.calibrate(images().split(4))
    return detector


def test_a_patch_of_the_bank_is_at_no_distance():
    """96 patches of six images, all kept: the images themselves score 0."""
    scores, maps = fitted(bank=200).score(images())
    assert scores.max() < 2e-3 and maps.max() < 2e-3


def test_the_score_is_the_distance_to_the_nearest_row_of_the_patch_that_is_farthest():
    detector, asked = fitted(), images(3, seed=1)
    patches = detector.patches(asked, prepared).flatten(2).transpose(1, 2)
    expected = torch.cdist(patches, detector.bank.rows).amin(dim=2).amax(dim=1)
    torch.testing.assert_close(detector.score(asked)[0], expected, atol=1e-4, rtol=1e-3)


def test_the_nearest_row_is_found_in_a_bank_of_several_blocks():
    rows = torch.rand(2 * BLOCK + 5, 8, generator=torch.Generator().manual_seed(0))
    bank = Bank(*rows.shape)
    bank.fill(rows)
    asked = rows[[3, BLOCK + 1, 2 * BLOCK + 4]].unflatten(0, (1, 3)) + 1e-3
    squared, found = bank.nearest(asked)
    assert found.tolist() == [[3, BLOCK + 1, 2 * BLOCK + 4]]
    torch.testing.assert_close(squared, torch.full((1, 3), 8e-6), atol=2e-6, rtol=0)


def test_every_level_counts_by_direction_alone():
    features = build().patches(images(), prepared)
    torch.testing.assert_close(features[:, :40].norm(dim=1), torch.ones(6, 4, 4))
    torch.testing.assert_close(features[:, 40:].square().sum(dim=1).mean(), torch.tensor(1.0), atol=0.4, rtol=0)


def test_the_bank_has_as_many_rows_as_asked_and_fewer_only_where_there_are_fewer_patches():
    assert len(fitted().bank.rows.unique(dim=0)) == 64
    assert len(fitted(bank=200).bank.rows.unique(dim=0)) == 6 * 16


def test_reweighting_lowers_a_score_and_leaves_the_map():
    (plain, maps), (weighted, same) = (fitted(reweighted=way).score(images(3, seed=1)) for way in (False, True))
    assert torch.equal(maps, same) and (weighted < plain).all() and (weighted > 0).all()


def test_a_second_look_at_normal_images_changes_nothing():
    detector = fitted()
    rows = detector.bank.rows.clone()
    detector.calibrate([images(seed=9)])
    assert torch.equal(detector.bank.rows, rows)


def test_no_normal_image_is_an_error():
    with pytest.raises(ValueError, match="there is no normal image to fill the bank with"):
        build().calibrate([])


def test_a_state_of_another_backbone_is_refused():
    pretrained = build(backbone="efficientnet_lite0")
    assert "backbone" in pretrained.state_dict() and not any("network" in key for key in pretrained.networks())
    with pytest.raises(RuntimeError, match="fitted with backbone weights of sha256"):
        build().load_state_dict(pretrained.state_dict())


@pytest.mark.parametrize("options", [{"backbone": "vgg"}, {"levels": "2"}, {"bank": 3}, {"reweighted": 1}])
def test_options_out_of_range_are_refused(options):
    with pytest.raises(ValueError, match=f"{next(iter(options))} is"):
        HParams(**options)
