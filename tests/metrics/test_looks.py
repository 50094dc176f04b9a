"""Pictures that no longer look like those that a detector learned from: told once, with the first of them."""

import numpy as np
import pytest

from orchestrator.metrics import looks
from orchestrator.metrics.looks import FEWEST, WINDOW, Change, LastPictures


def pictures(count: int, seed: int = 0) -> np.ndarray:
    """Grey stripes whose light and noise vary a little."""
    rng = np.random.default_rng(seed)
    stripes = np.where(np.arange(16) % 8 < 4, 90.0, 160.0)[None, :, None, None]
    light = 10 * rng.normal(size=(count, 1, 1, 1))
    return np.clip(stripes + light + 4 * rng.normal(size=(count, 16, 16, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def known() -> dict[str, list[float]]:
    return looks.quantiles(looks.of_pictures(pictures(60), [(100, 100)] * 60))


def seen(known: dict, *stretches: np.ndarray, size: tuple[int, int] = (100, 100), end: bool = True) -> list[Change]:
    last, found, place = LastPictures(known), [], 0
    for stretch in stretches:
        for picture in stretch:
            found += last.see(str(place), looks.of_picture(picture, size))
            place += 1
    return found + (last.end() if end else [])


def blurred(pixels: np.ndarray) -> np.ndarray:
    return np.mean([np.roll(pixels.astype(float), step, axis=1) for step in range(-2, 3)], axis=0).astype(np.uint8)


def test_the_numbers_of_a_picture():
    half = np.zeros((4, 4, 3), np.uint8)
    half[2:] = (255, 0, 0)
    assert looks.of_picture(half, (7, 9)) == pytest.approx(
        {"brightness": 1 / 6, "contrast": 1 / 6, "sharpness": 1 / 18, "tint": 0.5, "height_px": 7, "width_px": 9}
    )


def test_pictures_like_those_of_the_training_are_no_news(known):
    for seed in range(1, 11):
        assert seen(known, pictures(100, seed)) == []


@pytest.mark.parametrize(
    ("change", "kind", "word"),
    [
        (lambda pixels: (pixels * 0.5).astype(np.uint8), "brightness", "darker"),
        (lambda pixels: np.clip(pixels * 1.6, 0, 255).astype(np.uint8), "brightness", "brighter"),
        (blurred, "sharpness", "more blurred"),
        (lambda pixels: (pixels * [1, 0.9, 0.6]).astype(np.uint8), "tint", "redder"),
        (lambda pixels: ((pixels - 125.0) * 0.3 + 125).astype(np.uint8), "contrast", "flatter"),
    ],
)
def test_a_change_is_told_once_with_the_first_picture_of_it(known, change, kind, word):
    found = seen(known, pictures(37, seed=1), change(pictures(60, seed=2)))
    (own,) = (one for one in found if one.kind == kind)
    assert (own.first, own.word) == ("37", word) and own.beyond >= looks.ENOUGH * WINDOW
    assert not own.low <= own.median <= own.high


def test_another_camera_is_told_by_the_size_of_its_pictures(known):
    found = seen(known, pictures(30, seed=1), size=(100, 120))
    assert [(one.word, one.first, one.median, one.low, one.high) for one in found] == [("wider", "0", 120, 100, 100)]


def test_odd_pictures_in_between_are_no_news(known):
    mixed = pictures(100, seed=1)
    mixed[::2] //= 2
    assert seen(known, mixed) == []


def test_few_pictures_are_judged_at_their_end_and_fewer_not_at_all(known):
    dark = pictures(FEWEST, seed=1) // 2
    assert "darker" in [one.word for one in seen(known, dark)]
    assert seen(known, dark, end=False) == seen(known, dark[1:]) == []


def test_scores_that_fall_are_news_and_those_that_rise_are_defects():
    known = looks.quantiles({"score": np.linspace(1, 2, 50)})
    for score, words in ((0.1, ["less anomalous"]), (9.0, [])):
        last = LastPictures(known)
        found = [change for place in range(WINDOW) for change in last.see(str(place), {"score": score})]
        assert [change.word for change in found] == words
