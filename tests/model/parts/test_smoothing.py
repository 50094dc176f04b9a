"""Maps of cells: a Gaussian blur, and the image's own size."""

import math

import pytest
import torch

from model.parts.smoothing import smooth, to_pixels


@pytest.mark.parametrize("sigma", [0.4, 0.7, 2.0])
def test_a_point_becomes_a_gaussian_of_sum_1(sigma):
    point = torch.zeros(1, 21, 21)
    point[0, 10, 10] = 1.0
    blurred = smooth(point, sigma)[0]
    assert blurred.sum().item() == pytest.approx(1.0, abs=1e-5)
    for down, right in ((0, 1), (1, 0), (1, 1)):
        ratio = blurred[10 + down, 10 + right] / blurred[10, 10]
        assert ratio.item() == pytest.approx(math.exp(-(down**2 + right**2) / (2 * sigma**2)), rel=1e-4)


def test_borders_are_repeated_so_plain_maps_stay_plain():
    torch.testing.assert_close(smooth(torch.full((2, 3, 5), 4.0), 2.0), torch.full((2, 3, 5), 4.0))


def test_a_sigma_of_0_leaves_maps_as_they_are():
    maps = torch.rand(2, 3, 4)
    assert torch.equal(smooth(maps, 0), maps)


def test_each_map_is_blurred_by_itself():
    maps = torch.rand(3, 5, 4)
    torch.testing.assert_close(smooth(maps, 0.7)[1:2], smooth(maps[1:2], 0.7))


def test_the_pixel_in_the_middle_of_a_cell_has_the_cells_value_and_those_between_are_between():
    maps = torch.tensor([[[0.0, 3.0], [6.0, 9.0]]])
    full = to_pixels(maps, 3, 6, 6)[0]
    torch.testing.assert_close(full[1::3, 1::3], maps[0])
    torch.testing.assert_close(full[1, 1:5], torch.tensor([0.0, 1.0, 2.0, 3.0]))


def test_what_reaches_beyond_the_image_is_cut_off():
    maps = torch.rand(2, 3, 4)
    full = to_pixels(maps, 4, 12, 16)
    assert torch.equal(to_pixels(maps, 4, 9, 14), full[:, :9, :14])
