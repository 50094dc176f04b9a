"""The mean of the images seen, by images and not by batches."""

import torch

from model.parts.running_mean import RunningMean


def test_it_weighs_images_not_batches():
    torch.manual_seed(0)
    images, mean = torch.rand(7, 3, 4, 5), RunningMean((3, 4, 5))
    for batch in images.split(3):  # 3 + 3 + 1
        mean.add(batch)
    torch.testing.assert_close(mean(), images.mean(dim=0))


def test_batches_pass_through_it_unchanged_and_only_as_they_are_taken():
    batches = [torch.ones(2, 1, 1, 1), torch.zeros(2, 1, 1, 1)]
    mean = RunningMean((1, 1, 1))
    passing = iter(mean.adding(batches))
    assert mean.images == 0, "nothing is taken yet"
    assert next(passing) is batches[0] and mean() == 1
    assert next(passing) is batches[1] and mean() == 0.5


def test_before_the_first_image_it_is_grey():
    assert torch.equal(RunningMean((1, 2, 2))(), torch.zeros(1, 2, 2))


def test_it_is_float32_of_sums_in_float64():
    mean = RunningMean((1, 1, 1))
    mean.add(torch.full((1, 1, 1, 1), 2.0**25))
    mean.add(torch.ones(1, 1, 1, 1))
    assert mean.total.item() == 2**25 + 1 and mean().dtype == torch.float32
