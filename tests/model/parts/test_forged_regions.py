"""Regions of forged defects: four kinds, anywhere, of the sizes asked for."""

import torch

from model.parts.forged_regions import between, draw_regions

CPU = torch.device("cpu")


def test_every_kind_of_region_has_an_inside_and_lies_where_chance_says():
    torch.manual_seed(0)
    regions = draw_regions(400, 32, 32, 0.15, CPU)[:, 0]
    assert regions.min() == 0 and regions.max() == 1
    assert (regions.amax(dim=(1, 2)) > 0).float().mean() > 0.9
    covered = torch.nn.functional.avg_pool2d(regions, 8).mean(dim=0)
    assert covered.max() < 5 * covered.min(), "no part of the image is spared"


def test_the_largest_is_as_large_as_asked():
    torch.manual_seed(0)
    small, large = (draw_regions(600, 64, 64, largest, CPU).mean() for largest in (0.05, 0.3))
    assert large > 3 * small


def test_all_four_kinds_are_drawn_and_a_scratch_is_thin():
    """A scratch has values between, where its soft edge is; the other kinds have none."""
    torch.manual_seed(0)
    regions = draw_regions(400, 64, 64, 0.15, CPU)
    is_soft = ((regions > 0) & (regions < 1)).flatten(1).any(dim=1)
    assert 0.15 < is_soft.float().mean() < 0.35
    assert regions[is_soft].mean() < regions[~is_soft].mean()


def test_log_uniform_lengths_lie_between_their_bounds_half_of_them_below_the_geometric_mean():
    torch.manual_seed(0)
    lengths = between(4000, 0.01, 1.0)
    assert 0.01 <= lengths.min() < 0.012 and 0.9 < lengths.max() <= 1
    assert 0.45 < (lengths < 0.1).float().mean() < 0.55
