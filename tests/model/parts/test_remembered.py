"""Maps of a frozen network, computed once for the same batch of images."""

import torch

from model.parts.patch_features import PatchFeatures
from model.parts.remembered import Remembered, recalled, remembering


class Network:
    """Counts how often it is asked, and by which images."""

    def __init__(self):
        self.asked = []

    def __call__(self, images: torch.Tensor) -> dict[int, torch.Tensor]:
        self.asked.append(images)
        return {4: images.mean(dim=1, keepdim=True)}


def images(seed: int = 0, count: int = 3) -> torch.Tensor:
    return torch.rand(count, 3, 8, 8, generator=torch.Generator().manual_seed(seed))


def test_the_same_images_are_looked_at_once_wherever_they_lie():
    network, memory = Network(), Remembered()
    first = memory.of("net", images(), network)
    again = memory.of("net", images().clone(), network)
    assert len(network.asked) == 1 and torch.equal(first[4], again[4])
    transposed = images().permute(0, 1, 3, 2).contiguous().permute(0, 1, 3, 2)
    memory.of("net", transposed, network)
    assert len(network.asked) == 1


def test_other_images_another_batch_of_them_and_another_network_are_not_the_same():
    network, memory = Network(), Remembered()
    memory.of("net", images(), network)
    changed = images()
    changed[2, 0, 7, 7] += 1e-6
    for name, asked in (("net", changed), ("net", images()[:2]), ("net", images().reshape(1, 9, 8, 8)),
                        ("other", images())):
        memory.of(name, asked, network)
    assert len(network.asked) == 5


def test_it_holds_no_more_than_it_may_and_what_came_last():
    network, memory = Network(), Remembered(most_bytes=5 * 3 * 8 * 8 * 4)  # five batches
    for seed in range(20):
        memory.of("net", images(seed), network)
        assert memory.bytes <= memory.most_bytes
    memory.of("net", images(19), network)
    assert len(network.asked) == 20
    for _ in range(3):  # in the same order again and again: some are found
        for seed in range(7):
            memory.of("net", images(seed), network)
    assert len(network.asked) < 20 + 21


def test_it_is_asked_only_while_it_is_to_remember():
    network = Network()
    for _ in range(2):
        recalled("net", images(seed=50), network)
    assert len(network.asked) == 2
    with remembering():
        for _ in range(2):
            recalled("net", images(seed=50), network)
        with remembering():
            recalled("net", images(seed=50), network)
        recalled("net", images(seed=50), network)
    assert len(network.asked) == 3
    recalled("net", images(seed=50), network)
    assert len(network.asked) == 4


def test_two_detectors_on_one_backbone_share_its_maps_whatever_levels_they_join():
    one, two = (PatchFeatures("random", levels, (3, 32, 32), "cpu") for levels in ("8+16", "4+8"))
    asked = []
    for patches in (one, two):
        patches.backbone.register_forward_hook(lambda *_: asked.append(1))
    pictures = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(7))
    expected = one(pictures), two(pictures)
    with remembering():
        found = one(pictures), two(pictures)
    assert len(asked) == 3 and all(map(torch.equal, expected, found))
