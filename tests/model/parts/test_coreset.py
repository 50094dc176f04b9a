"""The coreset covers all patches as well as a greedy choice can."""

import torch

from model.parts.coreset import PROJECTED, greedy_coreset, project


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def patches(count: int = 500, features: int = 6) -> torch.Tensor:
    return torch.randn(count, features, generator=torch.Generator().manual_seed(1))


def radius(points: torch.Tensor, chosen: torch.Tensor) -> float:
    """How far the worst served point is from its nearest chosen one."""
    return float(torch.cdist(points, points[chosen]).amin(dim=1).max())


def test_it_is_the_greedy_choice_written_out():
    points = patches(60)
    chosen = greedy_coreset(points, 12, generator()).tolist()
    for place in range(1, 12):
        nearest = torch.cdist(points, points[chosen[:place]]).amin(dim=1)
        assert nearest[chosen[place]] == nearest.max()


def test_no_patch_is_chosen_twice_and_it_covers_better_than_chance():
    points = patches()
    chosen = greedy_coreset(points, 40, generator())
    drawn = torch.randperm(len(points), generator=generator())[:40]
    assert len(set(chosen.tolist())) == 40
    assert radius(points, chosen) < 0.8 * radius(points, drawn)


def test_a_lonely_patch_is_kept():
    points = torch.cat([patches() * 0.1, torch.full((1, 6), 9.0)])
    assert 500 in greedy_coreset(points, 2, generator()).tolist()


def test_more_than_there_are_is_all():
    assert sorted(greedy_coreset(patches(7), 20, generator()).tolist()) == [*range(7)]


def test_a_projection_of_many_features_keeps_distances_within_a_quarter():
    points = patches(50, 600)
    projected = project(points, generator())
    assert projected.shape == (50, PROJECTED)
    ratio = (torch.pdist(projected) / torch.pdist(points)).sort().values
    assert 0.75 < ratio[0] and ratio[-1] < 1.25 and project(patches(), generator()).shape == (500, 6)
