"""Masks at their pictures' own proportions: nothing vanishes, regions stay whole, and a frame shows them in place."""

import numpy as np
import pytest
from scipy import ndimage

from datasets.frame import Frame
from datasets.masks import Masks, in_frame, own_size, resize

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(
    ("native", "expected"),
    [((900, 900), (256, 256)), ((1250, 500), (640, 256)), ((640, 256), (640, 256)), ((20, 3000), (20, 3000))],
)
def test_the_shorter_side_is_the_pictures_own_but_at_most_256(native, expected):
    assert own_size(*native) == expected


def test_not_a_single_set_pixel_vanishes_and_it_stays_where_it_is():
    for row, column in RNG.integers(0, (901, 333), size=(50, 2)):
        mask = np.zeros((901, 333), bool)
        mask[row, column] = True
        ((at_row, at_column),) = np.argwhere(resize(mask, (32, 12)))
        assert abs((at_row + 0.5) / 32 - (row + 0.5) / 901) <= 0.5 / 32 + 1 / 901
        assert abs((at_column + 0.5) / 12 - (column + 0.5) / 333) <= 0.5 / 12 + 1 / 333


def test_a_scratch_of_a_pixel_stays_one_region():
    mask = np.zeros((1024, 1024), bool)
    along = np.arange(900)
    mask[(60 + 0.9 * along).astype(int), along] = True
    assert ndimage.label(resize(mask, own_size(1024, 1024)), np.ones((3, 3)))[1] == 1


def test_a_mask_grows_by_nearest():
    assert resize(np.array([[True, False]]), (2, 4)).tolist() == [[True, True, False, False]] * 2


def test_packed_masks_are_what_they_were_of_whatever_sizes():
    masks = [RNG.random(size) < 0.3 for size in ((5, 7), (16, 3), (1, 1))] + [np.zeros((4, 9), bool)]
    packed = Masks.of(masks)
    assert len(packed) == 4 and packed.bits[3] is None
    for i, mask in enumerate(masks):
        assert packed[i].dtype == bool
        np.testing.assert_array_equal(packed[i], mask)


def test_in_a_frame_a_mask_lies_where_its_picture_does():
    mask = np.zeros((40, 16), bool)
    mask[:20] = True
    framed = in_frame(mask, Frame(20, 20))
    assert framed.shape == (20, 20)
    assert framed[:10, 6:14].all() and framed.sum() == 80
    assert in_frame(mask, Frame(20, 20, stretches=True)).sum() == 200
