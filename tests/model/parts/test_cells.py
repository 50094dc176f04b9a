"""Features of cells: which way edges run, in known gradients; colours; and the grid of any image size."""

import math

import pytest
import torch

from model.parts.cells import ORIENTATIONS, CellFeatures, box, oriented_gradients


def ramp(degrees: float, size_px: int = 16) -> torch.Tensor:
    """(1, 1, S, S) that rises by 1 a pixel in that direction, x to the right and y down."""
    y, x = torch.meshgrid(*2 * [torch.arange(size_px, dtype=torch.float32)], indexing="ij")
    angle = math.radians(degrees)
    return (math.cos(angle) * x + math.sin(angle) * y)[None, None]


def dealt(degrees: float) -> list[float]:
    """What an inner pixel of that ramp gives to each orientation, of the magnitude 2 (a central difference)."""
    return oriented_gradients(ramp(degrees))[0, :, 8, 8].tolist()


# -- orientations


@pytest.mark.parametrize(("degrees", "orientation"), [(0, 0), (22.5, 1), (45, 2), (90, 4), (135, 6), (157.5, 7)])
def test_a_gradient_lands_in_its_own_orientation(degrees, orientation):
    expected = [2.0 if i == orientation else 0.0 for i in range(ORIENTATIONS)]
    assert dealt(degrees) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize(("degrees", "one", "other"), [(11.25, 0, 1), (56.25, 2, 3), (168.75, 7, 0)])
def test_one_between_two_orientations_is_dealt_to_both_and_the_last_is_beside_the_first(degrees, one, other):
    expected = [1.0 if i in (one, other) else 0.0 for i in range(ORIENTATIONS)]
    assert dealt(degrees) == pytest.approx(expected, abs=1e-4)


def test_the_nearer_orientation_gets_the_larger_share():
    assert dealt(22.5 / 4)[:2] == pytest.approx([1.5, 0.5], abs=1e-4)


def test_shares_sum_to_the_magnitude():
    grey = torch.rand(2, 1, 9, 7)
    padded = torch.nn.functional.pad(grey, (1, 1, 1, 1), mode="replicate")
    dx, dy = padded[:, 0, 1:-1, 2:] - padded[:, 0, 1:-1, :-2], padded[:, 0, 2:, 1:-1] - padded[:, 0, :-2, 1:-1]
    torch.testing.assert_close(oriented_gradients(grey).sum(dim=1), (dx.square() + dy.square()).sqrt())


def test_light_on_dark_and_dark_on_light_are_one_orientation():
    grey = torch.rand(1, 1, 8, 8)
    torch.testing.assert_close(oriented_gradients(grey), oriented_gradients(-grey), atol=1e-5, rtol=1e-5)


# -- an image's features: 8 orientations, 8 of the smoothed image, mean and deviation of each colour


@pytest.mark.parametrize(("transpose", "orientation"), [(False, 0), (True, 4)])
def test_a_vertical_edge_is_seen_in_its_own_cells_as_one_that_changes_along_x(transpose, orientation):
    image = torch.full((1, 1, 32, 32), -1.0)
    image[..., 16:] = 1.0
    features = CellFeatures(4)(image.mT if transpose else image)
    features = features.mT if transpose else features
    first = features[0, :ORIENTATIONS]
    assert first[orientation, :, 3:5].min() > 0, "beside the edge"
    assert first[orientation, :, [0, 1, 6, 7]].abs().max() == 0, "far from it"
    others = [i for i in range(ORIENTATIONS) if i != orientation]
    assert first[others].abs().max() < 1e-2


def test_edges_are_the_root_of_the_mean_magnitude_at_both_scales():
    inner = CellFeatures(4)(ramp(45, 32))[0, :16, 4, 4]
    expected = [math.sqrt(2.0) if i % ORIENTATIONS == 2 else 0.0 for i in range(16)]
    assert inner.tolist() == pytest.approx(expected, abs=1e-2)


def test_fine_stripes_are_seen_at_the_first_scale_alone():
    stripes = (torch.arange(48) % 3 == 0).float().expand(1, 1, 48, 48)
    inner = CellFeatures(4)(stripes)[0, :, 6, 6]
    assert inner[0] > 0.5 and inner[8:16].abs().max() < 0.01


def test_colours_are_told_by_their_mean_and_deviation():
    plain = torch.tensor([0.5, -1.0, 0.25]).view(1, 3, 1, 1).expand(1, 3, 13, 9)
    features = CellFeatures(4)(plain)[0]
    assert features[:16].abs().max() < 1e-3
    torch.testing.assert_close(features[16:19], torch.tensor([0.5, -1.0, 0.25]).view(3, 1, 1).expand(3, 4, 3))
    assert features[19:].abs().max() < 1e-3
    chequers = (torch.arange(8)[:, None] + torch.arange(8)).remainder(2).mul(2.0).sub(1)[None, None]
    mean, deviation = CellFeatures(4)(chequers)[0, 16:]
    torch.testing.assert_close(mean, torch.zeros(2, 2))
    torch.testing.assert_close(deviation, torch.ones(2, 2))


def test_features_are_means_over_three_by_three_cells():
    image = torch.zeros(1, 1, 20, 20)
    image[..., 8:12, 8:12] = 0.9  # cell (2, 2) of 5 x 5
    mean = CellFeatures(4)(image)[0, 16]
    expected = torch.zeros(5, 5)
    expected[1:4, 1:4] = 0.1
    torch.testing.assert_close(mean, expected)


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(32, 32), (33, 31), (4, 40), (3, 2), (17, 64)])
@pytest.mark.parametrize("cell_px", [2, 4, 5])
def test_any_size_of_image_has_its_grid(channels, height, width, cell_px):
    cells = CellFeatures(cell_px)
    features = cells(torch.rand(2, channels, height, width))
    assert features.shape == (2, CellFeatures.count(channels), *cells.grid(height, width))
    assert cells.grid(height, width) == (math.ceil(height / cell_px), math.ceil(width / cell_px))
    assert features.isfinite().all()


def test_a_box_is_the_mean_of_the_neighbours_that_exist():
    maps = torch.tensor([[[[1.0, 2.0, 3.0], [4.0, 5.0, 6.0], [7.0, 8.0, 9.0]]]])
    assert box(maps, 3)[0, 0].tolist() == [[3.0, 3.5, 4.0], [4.5, 5.0, 5.5], [6.0, 6.5, 7.0]]
