"""The picture of a verdict: at the picture's own geometry, and in colours that mean the same in all of a detector."""

import io
import json

import numpy as np
import pytest
from PIL import Image

from orchestrator.deploy import heat_maps
from orchestrator.deploy.heat_maps import COLOURS, GAP_PX, STRIP_PX, draw, panel
from orchestrator.training.checkpoint import CONFIG, Config


@pytest.fixture(scope="module")
def config(make_checkpoint) -> Config:
    """32 px, letterbox, a scale from 0 to 1."""
    _, files = make_checkpoint()
    values = json.loads(files[CONFIG])
    return Config(**{**values, "image_shape": tuple(values["image_shape"])})


def drawn(pixels: np.ndarray, heat: np.ndarray, config: Config, score: float = 0.75) -> tuple[np.ndarray, np.ndarray]:
    """The two panels of a drawing: (h, w, 3) each."""
    whole = np.asarray(Image.open(io.BytesIO(draw(panel(pixels), heat, config, score))))
    height, width = panel(pixels).pixels.shape[:2]
    rows = whole[STRIP_PX : STRIP_PX + height]
    return rows[:, :width], rows[:, width + GAP_PX :][:, :width]


def grey(height: int, width: int, level: int = 128) -> np.ndarray:
    return np.full((height, width, 3), level, np.uint8)


@pytest.mark.parametrize(
    ("height", "width", "expected"),
    [(900, 900, (512, 512)), (640, 256, (512, 205)), (300, 400, (300, 400)), (8, 16, (128, 256)), (5000, 2, (512, 1))],
)
def test_a_panel_has_the_proportions_of_its_picture_and_at_most_512_px(height, width, expected):
    shown = panel(grey(height, width))
    assert shown.pixels.shape[:2] == expected and shown.native == (height, width)


def test_the_picture_itself_stands_beside_its_map(config):
    pixels = np.random.default_rng(0).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    left, right = drawn(pixels, np.zeros((32, 32), np.float32), config)
    assert np.array_equal(left, pixels)
    assert not np.array_equal(right, pixels)


@pytest.mark.parametrize("is_tall", [True, False])
def test_heat_lies_where_it_is_in_the_picture_with_the_bars_of_the_letterbox_undone(config, is_tall):
    heat = np.zeros((32, 32), np.float32)
    heat[12:20, 12:20] = 1.0  # the middle; a tall picture fills the middle half of the square's columns
    heat[:, :8] = 1.0  # a bar, whose heat is nobody's
    pixels = grey(256, 128)
    if not is_tall:
        pixels, heat = pixels.transpose(1, 0, 2), heat.T
    _, right = drawn(pixels, heat, config)
    right = right if is_tall else right.transpose(1, 0, 2)
    cold = right[:, 64][4]
    hot = (right != cold).any(axis=2)
    rows, columns = np.flatnonzero(hot[:, 64]), np.flatnonzero(hot[128])
    assert abs(rows.min() - 96) <= 8 and abs(rows.max() - 159) <= 8
    assert abs(columns.min() - 32) <= 8 and abs(columns.max() - 95) <= 8
    assert not hot[:80, 8:].any(), "of the bar, no more shows than interpolation takes"


def test_the_same_heat_has_the_same_colour_in_every_picture(config):
    cool, warm = np.full((32, 32), 0.25, np.float32), np.full((32, 32), 0.25, np.float32)
    warm[:4] = 0.9
    at_bottom = [drawn(grey(256, 256), heat, config)[1][-5, 128] for heat in (cool, warm)]
    assert np.array_equal(*at_bottom)


def test_what_is_beyond_the_scale_has_the_colour_of_its_end(config):
    ends = [drawn(grey(256, 256), np.full((32, 32), value, np.float32), config)[1][100, 100] for value in (1.0, 50.0)]
    assert np.array_equal(*ends)
    end = np.array(COLOURS(1.0)[:3]) * 255
    assert np.abs(ends[0] - (0.8 * end + 0.2 * 128)).max() <= 1


def test_what_is_hot_is_outlined(config):
    heat = np.zeros((32, 32), np.float32)
    heat[8:24, 8:24] = 1.0
    _, right = drawn(grey(256, 256, 0), heat, config)
    outline = (right == heat_maps.OUTLINE).all(axis=2)
    assert outline[60:68, 128].any() and outline[128, 60:68].any()
    assert not outline[128, 100:156].any() and not outline[:50].any()


def test_the_verdict_is_written_above(config):
    def heading(score: float) -> bytes:
        whole = Image.open(io.BytesIO(draw(panel(grey(64, 64)), np.zeros((32, 32), np.float32), config, score)))
        return np.asarray(whole)[:STRIP_PX].tobytes()

    alarm = bytes(heat_maps.ALARM)
    assert alarm in heading(0.5) and alarm not in heading(0.49)  # the threshold is 0.5


def test_a_scale_without_extent_is_all_cold(config):
    flat = Config(**{**vars(config), "map_low": 1.0, "map_high": 1.0})
    _, right = drawn(grey(256, 256), np.full((32, 32), 7.0, np.float32), flat)
    assert (right == right[0, 0]).all()
