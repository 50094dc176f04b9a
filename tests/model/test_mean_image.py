"""The control: the distance to the mean of the images that were seen."""

import pytest
import torch

from model.mean_image import MeanImage


def mean_image(*shape):
    return MeanImage(MeanImage.HParams(), shape, "cpu")


def test_scores_and_maps_are_the_squared_distance_to_the_mean():
    detector = mean_image(1, 1, 2)
    detector.calibrate([torch.tensor([[[[0.0, 1.0]]], [[[0.5, 0.0]]]])])  # mean: 0.25, 0.5
    scores, maps = detector.score(torch.tensor([[[[0.25, 1.0]]]]))
    assert maps.tolist() == [[[0.0, 0.25]]]
    assert scores.tolist() == [0.125]


def test_maps_are_the_mean_over_channels():
    detector = mean_image(2, 1, 1)
    detector.calibrate([torch.zeros(1, 2, 1, 1)])
    _, maps = detector.score(torch.tensor([[[[1.0]], [[0.5]]]]))
    assert maps.item() == (1 + 0.25) / 2


def test_the_mean_weighs_images_not_batches_and_further_looks_change_nothing():
    torch.manual_seed(0)
    images = torch.rand(7, 3, 8, 8) * 2 - 1
    detector = mean_image(3, 8, 8)
    detector.calibrate(images.split(3))  # 3 + 3 + 1
    once = detector.reconstruct(images[:1])[0]
    assert torch.allclose(once, images.mean(0), atol=1e-7)
    detector.calibrate(images[:2].split(1))
    assert torch.equal(detector.reconstruct(images[:1])[0], once)


def test_averaging_the_buffers_of_two_workers_gives_the_mean_of_all_their_images():
    torch.manual_seed(0)
    images = torch.rand(5, 1, 4, 4)
    workers = [mean_image(1, 4, 4), mean_image(1, 4, 4)]
    for worker, part in zip(workers, (images[:2], images[2:]), strict=True):
        worker.calibrate([part])
    states = [worker.state_dict()["networks"]["mean"] for worker in workers]
    workers[0].load_state_dict({
        "networks": {"mean": {key: (states[0][key] + states[1][key]) / 2 for key in states[0]}}, "optimizers": []})
    assert torch.allclose(workers[0].reconstruct(images[:1])[0], images.mean(0), atol=1e-7)


def test_before_it_is_calibrated_the_mean_is_grey():
    scores, _ = mean_image(1, 2, 2).score(torch.full((1, 1, 2, 2), 0.5))
    assert scores.item() == pytest.approx(0.25)


def test_it_has_no_parameters_and_no_optimiser():
    detector = mean_image(3, 8, 8)
    assert detector.parameters_by_network() == {"mean": 0}
    assert detector.optimizers() == []
