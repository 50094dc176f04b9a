"""The canvas, its shapes and the noise that the generated products are drawn with."""

import numpy as np
import pytest

from datasets.readers.synthetic_drawing import Bar, Blob, Box, Canvas, Disc, Shape, noise

WHITE = (1.0, 1.0, 1.0)
SHAPES = [
    Disc((0.2, -0.1), 0.3),
    Box((-0.3, 0.4), 0.3, 0.1, turn=0.5),
    Bar((-0.5, -0.5), (0.1, 0.3), 0.08),
    Blob((0.5, 0.4), 0.25, phases=(1.0, 4.0)),
]


def canvas(side_px: int = 64, seed: int = 0) -> Canvas:
    return Canvas(side_px, np.random.default_rng(seed), turn=0.4, shift=0.1)


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
def test_a_shape_is_deep_in_its_middle_and_ends_within_its_reach(shape: Shape) -> None:
    assert shape.depth(np.array(shape.middle[0]), np.array(shape.middle[1])) > 0
    angles, beyond = np.linspace(0, 2 * np.pi, 100), 1.001 * shape.reach
    x, y = shape.middle[0] + beyond * np.cos(angles), shape.middle[1] + beyond * np.sin(angles)
    assert (shape.depth(x, y) < 0).all()


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: type(shape).__name__)
@pytest.mark.parametrize("seed", range(5))
def test_a_shape_is_painted_where_the_product_lies_and_nowhere_else(shape: Shape, seed: int) -> None:
    drawn = canvas(seed=seed)
    drawn.paint(shape, WHITE)
    whole = drawn.cover(shape.depth(drawn.x, drawn.y))
    np.testing.assert_allclose(drawn.colours, np.broadcast_to(whole, (3, 64, 64)), atol=1e-6)
    assert not drawn.defective.any()


def test_a_shape_beyond_the_edge_is_cut_off() -> None:
    drawn = canvas()
    drawn.paint(Disc((5.0, -5.0), 0.3), WHITE)
    drawn.paint(Disc((1.0, 0.0), 0.3), WHITE)
    assert drawn.colours[:, :, :32].max() == 0 and drawn.colours.max() == 1


def test_a_faint_defect_is_as_defective_as_a_glaring_one() -> None:
    faint, glaring = canvas(), canvas()
    faint.spoil(SHAPES[0], WHITE, 0.1)
    glaring.spoil(SHAPES[0], WHITE, 1.0)
    np.testing.assert_array_equal(faint.defective, glaring.defective)
    np.testing.assert_allclose(faint.colours, 0.1 * glaring.colours, atol=1e-6)
    assert faint.defective.max() == 1


def test_what_is_painted_on_something_stays_on_it() -> None:
    drawn = canvas()
    left = (drawn.x < 0).astype(np.float32)
    drawn.spoil(Disc((0.0, 0.0), 0.5), WHITE, 1.0, on=left)
    assert drawn.colours[:, left == 1].max() == 1 and drawn.colours[:, left == 0].max() == 0
    assert drawn.defective[left == 0].max() == 0


@pytest.mark.parametrize("cells", [4, 30])
def test_noise_is_one_landscape_at_every_size(cells: int) -> None:
    small, large = (noise(side_px, cells, np.random.default_rng(3)) for side_px in (128, 256))
    assert small.dtype == np.float32 and abs(small).max() <= 1 and small.std() > 0.2
    averaged = large.reshape(128, 2, 128, 2).mean(axis=(1, 3))
    assert abs(averaged - small).max() < 0.1
