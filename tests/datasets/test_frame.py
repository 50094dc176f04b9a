"""Where a picture lies in its frame, and how what is seen there is brought back to the picture."""

import numpy as np
import pytest

from datasets.frame import Frame, frame_of
from datasets.sample import DataError


@pytest.mark.parametrize(
    ("frame", "native", "rows", "columns"),
    [
        (Frame(64, 64), (640, 256), (0, 64), (19, 45)),
        (Frame(64, 64), (256, 640), (19, 45), (0, 64)),
        (Frame(64, 64, stretches=True), (256, 640), (0, 64), (0, 64)),
        (Frame(160, 64), (640, 256), (0, 160), (0, 64)),
        (Frame(160, 64), (500, 256), (17, 142), (0, 64)),
        (Frame(160, 64), (1000, 300), (0, 160), (8, 56)),
        (Frame(32, 32), (1, 1000), (15, 16), (0, 32)),
    ],
)
def test_a_picture_keeps_its_proportions_in_the_middle_of_its_frame_unless_that_stretches(frame, native, rows, columns):
    assert frame.inside(*native) == (slice(*rows), slice(*columns))


def test_what_lies_in_a_bar_does_not_come_back_and_all_else_where_it_is_in_the_picture():
    frame, heat = Frame(64, 64), np.full((64, 64), 9.0, np.float32)
    rows, columns = frame.inside(640, 256)
    heat[rows, columns] = 0.0
    heat[32:36, columns.start] = 1.0  # the left border, at 1/2 to 9/16 of the height
    back = frame.out_of(heat, (640, 256), (160, 64))
    assert back.shape == (160, 64) and back.dtype == np.float32 and back.max() <= 1.0
    peak = np.argwhere(back > 0.5)
    assert peak[:, 0].min() == 80 and peak[:, 0].max() == 89 and peak[:, 1].max() <= 2


@pytest.mark.parametrize("fit", ["aspect", "tile"])
@pytest.mark.parametrize(
    ("aspect", "height", "width"),
    [(1.0, 64, 64), (1.09, 64, 64), (0.92, 64, 64), (1.25, 64, 80), (0.4, 160, 64), (2.47, 64, 160), (0.001, 4096, 64)],
)
def test_the_longer_side_is_as_the_pictures_want_it_in_multiples_of_16(fit, aspect, height, width):
    assert frame_of(fit, 64, aspect) == Frame(height, width)


def test_other_fits_are_square_whatever_the_pictures_are():
    assert frame_of("letterbox", 64, 0.4) == Frame(64, 64)
    assert frame_of("stretch", 64, 0.4) == Frame(64, 64, stretches=True)


def test_a_side_that_is_no_multiple_of_16_is_never_the_longer_one_made_shorter():
    assert frame_of("aspect", 40, 1.0) == Frame(40, 40) and frame_of("aspect", 40, 1.12) == Frame(40, 48)


def test_an_unknown_fit_names_the_known_ones():
    with pytest.raises(DataError, match="fit is 'crop'; expected one of aspect, tile, letterbox, stretch"):
        frame_of("crop", 8)
