"""Forged defects: drawn from torch's seed, marked where the image visibly changed, and nowhere else."""

import pytest
import torch

from model.parts import forging
from model.parts.forging import LEAST_CHANGE, Recipe, forge


def textures(count: int = 64, channels: int = 3, height: int = 32, width: int = 32) -> torch.Tensor:
    """Coarse coloured noise in [-1, 1], so that whatever is moved, recoloured or blurred shows."""
    coarse = torch.rand(count, channels, -(-height // 4), -(-width // 4), generator=torch.Generator().manual_seed(3))
    fine = coarse.repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    return fine[:, :, :height, :width].mul(2).sub(1)


def forged(images: torch.Tensor, share: float = 1.0, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    torch.manual_seed(seed)
    return forge(images, Recipe(share=share))


def test_a_seed_decides_the_defects():
    (one, mask), (again, same), (other, _) = (forged(textures(), seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, again) and torch.equal(mask, same) and not torch.equal(one, other)


def test_the_mask_is_where_any_channel_visibly_changed():
    images = textures()
    spoilt, mask = forged(images)
    assert mask.dtype == torch.bool and mask.shape == (64, 32, 32)
    change = (spoilt - images).abs().amax(dim=1)
    assert change[mask].min() > LEAST_CHANGE and change[~mask].max() <= LEAST_CHANGE
    assert 0 < (change[~mask] > 0).float().mean() < 0.2, "some changes are too small to be seen"


def test_a_defect_is_a_small_part_of_the_image():
    _, mask = forged(textures())
    areas = mask.flatten(1).float().mean(dim=1)
    assert areas.median() < 0.25 and areas.max() < 0.6


def test_almost_every_image_gets_a_defect_where_all_are_asked_for():
    _, mask = forged(textures(200))
    assert mask.any(dim=(1, 2)).float().mean() > 0.9


def test_the_other_images_are_returned_unchanged():
    images = textures(200)
    spoilt, mask = forged(images, share=0.5)
    untouched = (spoilt == images).all(dim=(1, 2, 3))
    assert 0.4 < untouched.float().mean() < 0.65 and not mask[untouched].any()


def test_of_a_share_of_0_nothing_is_forged():
    images = textures(4)
    spoilt, mask = forged(images, share=0.0)
    assert torch.equal(spoilt, images) and mask.shape == (4, 32, 32) and not mask.any()


def test_the_images_given_are_left_as_they_are():
    images = textures()
    before = images.clone()
    forged(images)
    assert torch.equal(images, before)


def test_values_stay_within_the_images_range():
    spoilt, _ = forged(textures(200))
    assert spoilt.isfinite().all() and spoilt.abs().max() <= 1 + 1e-5


def test_grey_stays_grey_and_colours_do_not_become_so():
    images = textures()
    images[::2] = images[::2].mean(dim=1, keepdim=True)
    spoilt, mask = forged(images)
    assert (spoilt[::2] - spoilt[::2, :1]).abs().max() < 1e-6
    coloured = (spoilt - spoilt[:, :1]).abs().amax(dim=1) > 0.05
    assert coloured[1::2][mask[1::2]].float().mean() > 0.8


def test_an_image_gets_one_to_three_defects(monkeypatch):
    """Two on average: about twice the area of one, less what overlaps."""
    images = textures(1000)
    area = forged(images)[1].float().mean()
    monkeypatch.setattr(forging, "MOST_DEFECTS", 1)
    assert 1.4 < area / forged(images)[1].float().mean() < 2.3


def test_no_defect_is_wholly_transparent_and_some_have_soft_edges():
    torch.manual_seed(0)
    alpha = forging.draw_alpha(400, 32, 32, Recipe(), torch.device("cpu"))
    assert alpha.max() <= 1
    highest = alpha.amax(dim=(1, 2, 3))
    assert 0.3 < (highest > 0.5).float().mean() and highest.std() > 0.1
    levels = torch.tensor([len(item.unique()) for item in alpha])
    assert (levels == 2).any() and (levels > 3).any()


@pytest.mark.parametrize("shape", [(1, 3, 32, 32), (1, 1, 24, 56), (5, 3, 40, 17), (3, 1, 16, 16)])
def test_any_shape_and_a_batch_of_one(shape):
    count, channels, height, width = shape
    images = textures(count, channels, height, width)
    for seed in range(8):
        spoilt, mask = forged(images, seed=seed)
        assert spoilt.shape == shape and mask.shape == (count, height, width) and spoilt.isfinite().all()


def test_wide_images_are_forged_over_all_of_their_width():
    _, mask = forged(textures(300, 1, 16, 64))
    by_eighth = mask.float().view(-1, 8, 8).mean(dim=(0, 2))
    assert by_eighth.min() > 0.3 * by_eighth.max()
