"""What describes an image's cells: a pyramid says what its levels are like, and gives them."""

import pytest
import torch
from torch.nn import functional as F

from model.parts.cells import CellFeatures
from model.parts.patch_features import PatchFeatures
from model.parts.pyramids import CellPyramid, PatchPyramid


def images(channels: int = 3, height: int = 40, width: int = 56) -> torch.Tensor:
    return torch.rand(2, channels, height, width, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 33, 50), (3, 9, 64)])
def test_levels_are_as_they_are_said_to_be(shape):
    patches = PatchFeatures("random", "8+16", shape, "cpu")
    for pyramid in (CellPyramid(shape, 4, 3), PatchPyramid(patches, 20)):
        found = pyramid(images(*shape))
        assert [(of.shape[1], tuple(of.shape[2:])) for of in found] == [(f, tuple(grid)) for f, grid in pyramid.levels]


def test_cells_of_level_k_are_those_of_the_image_halved_k_times():
    found = CellPyramid((3, 40, 56), 4, 3)(images())
    for level, features in enumerate(found):
        shrunk = F.avg_pool2d(images(), 2**level) if level else images()
        torch.testing.assert_close(features, CellFeatures(4)(shrunk))


def test_a_backbone_s_dimensions_are_always_the_same_ones_and_leave_the_generator_alone():
    patches = PatchFeatures("random", "8+16", (3, 40, 56), "cpu")
    torch.manual_seed(1)
    expected = torch.rand(2)
    torch.manual_seed(1)
    one, two = PatchPyramid(patches, 30), PatchPyramid(patches, 30)
    assert torch.equal(torch.rand(2), expected)
    (found,), (again,), joined = one(images()), two(images()), patches(images())
    assert torch.equal(found, again)
    is_of = (found[:, :, None] == joined[:, None]).flatten(3).all(dim=3).all(dim=0)  # (30, F)
    assert is_of.sum(dim=1).eq(1).all() and is_of.any(dim=0).sum() == 30
    assert len(PatchPyramid(patches, 900)(images())[0][0]) == 40 + 112
