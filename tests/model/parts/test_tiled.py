"""Tiles: a detector of squares on larger images."""

import pytest
import torch

from model.catalog import MODELS
from model.parts.tiled import Tiled, starts


def tiled(name: str = "mean_image", shape: tuple[int, int, int] = (3, 32, 80), **hparams) -> Tiled:
    torch.manual_seed(0)
    return Tiled(MODELS[name](MODELS[name].HParams(**hparams), (3, 32, 32), "cpu"), shape)


def images(count: int = 2, shape: tuple[int, int, int] = (3, 32, 80)) -> torch.Tensor:
    return torch.rand(count, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1


@pytest.mark.parametrize(
    ("side", "expected"),
    [(32, [0]), (33, [0, 1]), (56, [0, 24]), (57, [0, 12, 25]), (80, [0, 24, 48]), (128, [0, 24, 48, 72, 96])],
)
def test_tiles_cover_a_side_evenly_and_overlap_by_a_quarter_or_more(side, expected):
    assert starts(side, 32) == expected


def test_the_score_is_the_highest_of_the_tiles():
    detector = tiled()
    detector.calibrate([images()])
    scores, _ = detector.score(images())
    each = [detector.inner.score(images()[:, :, :, left : left + 32])[0] for left in (0, 24, 48)]
    assert torch.equal(scores, torch.stack(each).amax(dim=0)) and (scores > torch.stack(each).amin(dim=0)).all()


def test_maps_are_stitched_without_a_seam():
    detector = tiled()
    flat = detector._stitched([torch.full((2, 32, 32), level) for level in (1.0, 2.0, 2.0)])
    assert (flat[:, :, :24] == 1).all() and torch.allclose(flat[:, :, 32:], torch.tensor(2.0))
    steps = flat[0, 0].diff()
    assert (steps >= -1e-6).all() and steps.max() < 0.15, "from one tile to the next within their overlap, step by step"


def test_an_image_of_one_tile_is_seen_as_the_inner_detector_sees_it():
    detector = tiled("ganomaly", (3, 32, 32))
    square = images(2, (3, 32, 32))
    (scores, maps), (expected, expected_maps) = detector.score(square), detector.inner.score(square)
    assert torch.equal(scores, expected) and torch.allclose(maps, expected_maps)


def test_a_step_sees_every_part_of_the_images():
    detector, seen = tiled(shape=(3, 48, 80)), []
    ramp = torch.arange(48 * 80.0).view(1, 1, 48, 80).expand(4, 3, -1, -1) / (48 * 80)
    detector.inner.step = lambda crops, progress: seen.append(crops) or {}
    for _ in range(100):
        detector.step(ramp, 0.5)
    corners = torch.cat(seen)[:, 0, 0, 0] * 48 * 80
    assert all(crops.shape == (4, 3, 32, 32) for crops in seen)
    assert set((corners // 80).round().int().tolist()) == set(range(17))
    assert {round(corner % 80) for corner in corners.tolist()} == set(range(49))


def test_it_is_calibrated_by_all_tiles():
    detector, seen = tiled(), []
    detector.inner.calibrate = seen.extend
    detector.calibrate([images(3), images(2)])
    assert [len(tile) for tile in seen] == [3, 3, 3, 2, 2, 2]


def test_training_goes_on_from_its_state_and_reconstructions_have_the_images_shape():
    one, other = tiled("ganomaly"), tiled("ganomaly")
    one.step(images(4), 0.0)
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.score(images())[0], other.score(images())[0])
    assert one.reconstruct(images()).shape == (2, 3, 32, 80)
    assert one.networks().keys() == one.inner.networks().keys() and one.optimizers() == one.inner.optimizers()


def test_tiles_larger_than_the_image_are_refused():
    with pytest.raises(ValueError, match="tiles of 32 px are larger than the image"):
        tiled(shape=(3, 16, 80))
