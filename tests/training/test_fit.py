"""The training loop: every image once an epoch, and the same weights however often it was interrupted."""

import copy
from collections import Counter
from collections.abc import Iterable

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from model.contract import Detector, TrainingFree
from model.skip_ganomaly import SkipGanomaly
from orchestrator.training import fit, scoring

CPU = torch.device("cpu")


class Diary(Detector):
    """Writes down the images that it is shown: the grey value of each, which the tests make its number."""

    def __init__(self):
        super().__init__(None, (3, 4, 4), CPU)
        self.steps: list[list[int]] = []
        self.progress: list[float] = []
        self.draws: list[float] = []
        self.calibrated: list[list[int]] = []

    def calibrate(self, normals: Iterable[Tensor]) -> None:
        self.calibrated += map(numbers, normals)
        self.steps_before_calibration = len(self.steps)

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        self.steps.append(numbers(images))
        self.progress.append(progress)
        self.draws.append(torch.rand(()).item())
        return {"size": torch.tensor(float(len(images)))}

    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        return images.mean((1, 2, 3)), images.mean(1)

    def reconstruct(self, images: Tensor) -> Tensor:
        return images

    def networks(self) -> dict[str, nn.Module]:
        return {}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        return []


def numbers(images: Tensor) -> list[int]:
    return ((images[:, 0, 0, 0] + 1) * 127.5).round().int().tolist()


def numbered(count: int, size_px: int = 4) -> Tensor:
    """uint8 images (count, S, S, 3): image i is all i."""
    return torch.arange(count, dtype=torch.uint8)[:, None, None, None].repeat(1, size_px, size_px, 3)


def shown(count: int, batch: int, epochs: int = 1, **how) -> Diary:
    diary = Diary()
    list(fit.fit(diary, numbered(count), torch.arange(count), epochs=epochs, batch=batch, seed=1, **how))
    return diary


# -- what an epoch shows


@pytest.mark.parametrize(("count", "batch"), [(3, 16), (16, 16), (17, 16), (33, 16), (7, 1), (50, 7)])
def test_every_image_is_used_once_an_epoch_and_no_remainder_is_dropped(count, batch):
    for epoch in range(3):
        steps = -(-count // batch)
        of_epoch = shown(count, batch, epochs=3).steps[epoch * steps : (epoch + 1) * steps]
        assert sorted(sum(of_epoch, [])) == list(range(count))
        assert all(0 < len(step) <= batch for step in of_epoch)
        assert max(map(len, of_epoch)) - min(map(len, of_epoch)) <= 1, "no batch is much smaller than another"


@pytest.mark.parametrize(("count", "batch", "steps"), [(7, 3, 12), (50, 16, 10), (9, 9, 4), (5, 4, 1), (3, 16, 5)])
def test_with_steps_given_an_epoch_is_that_many_full_batches_and_all_images_are_shown_alike(count, batch, steps):
    diary = shown(count, batch, epochs=3, steps_per_epoch=steps)
    assert len(diary.steps) == 3 * steps
    for epoch in range(3):
        of_epoch = diary.steps[epoch * steps : (epoch + 1) * steps]
        assert all(len(step) == len(set(step)) == min(batch, count) for step in of_epoch), "no image twice in a batch"
        times = Counter(sum(of_epoch, []))
        assert max(times.values()) - min(times[i] for i in range(count)) <= 1


def test_which_image_comes_next_is_left_to_chance():
    """Of 6 images in batches of 4, the third batch holds any 4: each about as often as any other."""
    thirds = shown(6, 4, epochs=300, steps_per_epoch=3).steps[2::3]
    times = Counter(sum(thirds, []))
    assert len({tuple(sorted(step)) for step in thirds}) == 15, "all sets of 4 of 6"
    assert all(abs(times[i] - 200) < 50 for i in range(6))


def test_only_training_images_are_shown():
    diary = Diary()
    list(fit.fit(diary, numbered(10), torch.tensor([1, 4, 9]), epochs=1, batch=2, seed=0))
    assert sorted(sum(diary.steps, [])) == [1, 4, 9]


def test_the_order_is_another_in_every_epoch_and_for_every_seed():
    one, other = shown(20, 20, epochs=2), Diary()
    list(fit.fit(other, numbered(20), torch.arange(20), epochs=2, batch=20, seed=2))
    assert len({tuple(step) for step in one.steps + other.steps}) == 4


def test_progress_rises_from_zero_towards_one():
    assert shown(4, 2, epochs=2).progress == [0, 0.25, 0.5, 0.75]
    assert shown(4, 2, epochs=2, done=1).progress == [0.5, 0.75]


def test_each_epoch_tells_its_number_mean_losses_steps_and_images():
    epochs = list(fit.fit(Diary(), numbered(5), torch.arange(5), epochs=2, batch=3, seed=0))
    found = [(epoch.number, epoch.steps, epoch.images, epoch.losses) for epoch in epochs]
    assert found == [(1, 2, 5, {"size": 2.5}), (2, 2, 5, {"size": 2.5})]
    (long,) = fit.fit(Diary(), numbered(5), torch.arange(5), epochs=1, batch=3, seed=0, steps_per_epoch=7)
    assert (long.steps, long.images, long.losses) == (7, 21, {"size": 3.0})


@pytest.mark.parametrize("steps_per_epoch", [None, 5])
def test_two_workers_part_every_batch_between_them(steps_per_epoch):
    alone = shown(21, 8, epochs=2, steps_per_epoch=steps_per_epoch)
    first, second = (
        shown(21, 8, epochs=2, steps_per_epoch=steps_per_epoch, rank=rank, world=2) for rank in (0, 1)
    )
    for whole, left, right in zip(alone.steps, first.steps, second.steps, strict=True):
        assert sorted(left + right) == sorted(whole)
        assert abs(len(left) - len(right)) <= 1
    assert set(first.draws).isdisjoint(second.draws), "each draws its own noise"


def test_a_batch_of_fewer_images_than_workers_goes_to_all_of_them():
    assert [shown(2, 8, rank=rank, world=3).steps for rank in range(3)] == [shown(2, 8).steps] * 3


# -- calibration


@pytest.mark.parametrize("done", [0, 1])
def test_before_its_first_step_a_detector_is_calibrated_on_the_training_images_alone_resumed_or_not(done):
    diary, train = Diary(), torch.arange(5, 45)
    list(fit.fit(diary, numbered(50), train, epochs=2, batch=20, seed=0, done=done))
    assert diary.calibrated == [list(range(5, 37)), list(range(37, 45))], "once, in the batches of scoring"
    assert diary.steps_before_calibration == 0 and diary.steps


class Look(TrainingFree, Diary):
    """Takes no step, and writes down what it is calibrated on."""

    step, optimizers = TrainingFree.step, TrainingFree.optimizers


@pytest.mark.parametrize("how", [{}, {"epochs": 7}, {"steps_per_epoch": 9}, {"rank": 1, "world": 2}])
def test_the_calibration_of_a_detector_that_takes_no_step_is_its_one_epoch(how):
    look = Look()
    (epoch,) = fit.fit(look, numbered(10), torch.tensor([1, 4, 9]), **{"epochs": 3, "batch": 2, "seed": 0, **how})
    assert (epoch.number, epoch.losses, epoch.steps, epoch.images) == (1, {}, 0, 3) and epoch.train_s > 0
    assert look.calibrated == [[1, 4, 9]] and look.steps == []


def test_resumed_after_that_epoch_nothing_of_it_is_left():
    assert list(fit.fit(Look(), numbered(10), torch.arange(10), epochs=3, batch=2, seed=0, done=1)) == []


# -- the same weights


@pytest.mark.parametrize("steps_per_epoch", [None, 3])
def test_an_epoch_draws_its_randomness_from_the_seed_and_its_number_alone(steps_per_epoch):
    whole = shown(9, 3, epochs=3, steps_per_epoch=steps_per_epoch)
    torch.rand(5)  # whatever was drawn before
    resumed = shown(9, 3, epochs=3, steps_per_epoch=steps_per_epoch, done=1)
    assert (resumed.steps, resumed.draws) == (whole.steps[3:], whole.draws[3:])
    assert len(set(whole.draws)) == 9, "no epoch repeats another"


@pytest.fixture(scope="module")
def pixels() -> Tensor:
    return torch.from_numpy(np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3), dtype=np.uint8))


def detector() -> SkipGanomaly:
    torch.manual_seed(7)
    return SkipGanomaly(SkipGanomaly.HParams(), (3, 32, 32), CPU)


def train(model: SkipGanomaly, pixels: Tensor, epochs: int, seed: int = 3, done: int = 0, until: int | None = None):
    for epoch in fit.fit(model, pixels, torch.arange(len(pixels)), epochs=epochs, batch=3, seed=seed, done=done):
        if epoch.number == until:
            break
    return model


def weights(model: SkipGanomaly) -> list[Tensor]:
    return [tensor for network in model.networks().values() for tensor in network.state_dict().values()]


def equal(one: SkipGanomaly, other: SkipGanomaly) -> bool:
    return all(map(torch.equal, weights(one), weights(other)))


@pytest.fixture(scope="module")
def uninterrupted(pixels) -> SkipGanomaly:
    return train(detector(), pixels, epochs=3)


def test_one_seed_gives_one_set_of_weights(pixels, uninterrupted):
    torch.rand(5)  # whatever was drawn before
    assert equal(train(detector(), pixels, epochs=3), uninterrupted)


def test_another_seed_gives_other_weights(pixels, uninterrupted):
    assert not equal(train(detector(), pixels, epochs=3, seed=4), uninterrupted)


@pytest.mark.parametrize("interrupted_after", [1, 2])
def test_training_that_is_resumed_ends_at_the_same_weights_bit_for_bit(interrupted_after, pixels, uninterrupted):
    state = copy.deepcopy(train(detector(), pixels, epochs=3, until=interrupted_after).state_dict())
    resumed = SkipGanomaly(SkipGanomaly.HParams(), (3, 32, 32), CPU)  # other initial weights
    resumed.load_state_dict(state)
    torch.rand(5)
    assert not equal(resumed, uninterrupted)
    assert equal(train(resumed, pixels, epochs=3, done=interrupted_after), uninterrupted)


# -- images


def test_normal_images_are_the_chosen_ones_in_order_and_prepared_only_as_they_are_taken(monkeypatch):
    prepared = []
    monkeypatch.setattr(scoring, "normalise", lambda pixels: prepared.append(len(pixels)) or pixels)
    chosen = torch.tensor([9, 0, *range(20, 60)])
    batches = scoring.normals(numbered(60), chosen)
    assert prepared == []
    assert torch.cat(list(batches))[:, 0, 0, 0].tolist() == chosen.tolist()
    assert prepared == [scoring.SCORE_BATCH, 42 - scoring.SCORE_BATCH]


def test_pixels_become_channels_first_in_minus_one_to_one():
    pixels = torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8)  # (1, 1, 1, 3)
    assert scoring.normalise(pixels).shape == (1, 3, 1, 1)
    torch.testing.assert_close(scoring.normalise(pixels).flatten(), torch.tensor([-1.0, -0.6, 1.0]))
    assert pixels.flatten().tolist() == [0, 51, 255], "the shared images are untouched"


def test_on_cpu_the_shared_array_is_not_copied_even_if_it_may_only_be_read():
    array = np.zeros((2, 4, 4, 3), np.uint8)
    array.flags.writeable = False
    assert scoring.to_device(array, CPU).data_ptr() == array.ctypes.data


def test_scores_come_in_order_whatever_the_chunks():
    count = 2 * scoring.SCORE_BATCH + 3
    scores, maps = scoring.score(Diary(), numbered(count))
    assert scores.shape == (count,) and maps.shape == (count, 4, 4) and scores.dtype == np.float64
    np.testing.assert_allclose((scores + 1) * 127.5, np.arange(count), atol=1e-4)
