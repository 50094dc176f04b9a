"""What a frozen network said of a batch of images, kept for the next trial that shows it the same batch.

All trials of a job look at the same normal images and at the same validation images in the same batches, and most of
their time would go into maps that were there before. They are found by the images' own bytes, whole batches only: so
what comes back is to the last bit what would have been computed. On CPU alone: an accelerator computes them sooner than
their key.
"""

import hashlib
import random
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager

from torch import Tensor

MOST_BYTES = 2**29  # about a thousand images of 224 x 224 px by EfficientNet-Lite0

Maps = dict[int, Tensor]  # stride -> map


class Remembered:
    """Maps by network and images, at most so many bytes of them."""

    def __init__(self, most_bytes: int = MOST_BYTES):
        self.most_bytes, self.bytes = most_bytes, 0
        self._kept: dict[Hashable, Maps] = {}

    def of(self, network: Hashable, images: Tensor, compute: Callable[[Tensor], Maps]) -> Maps:
        """The maps of these images by the network of that name: kept ones, or computed and kept. Nobody may write to
        them."""
        key = (network, images.shape, hashlib.sha1(images.contiguous().numpy()).digest())
        if key not in self._kept:
            self._keep(key, compute(images))
        return self._kept[key]

    def _keep(self, key: Hashable, maps: Maps) -> None:
        """Keeps them in place of any others: whoever comes by in the same order again and again would find nothing, if
        those left alone for longest went first."""
        self._kept[key] = maps
        self.bytes += _bytes(maps)
        while self.bytes > self.most_bytes and len(self._kept) > 1:
            dropped = random.choice([other for other in self._kept if other != key])
            self.bytes -= _bytes(self._kept.pop(dropped))


_memory = Remembered()
_depth = 0  # of `remembering`


@contextmanager
def remembering() -> Iterator[None]:
    """While it lasts, maps are kept, and those of this process found again; whoever judges ever new pictures has no
    use for it."""
    global _depth
    _depth += 1
    try:
        yield
    finally:
        _depth -= 1


def recalled(network: Hashable, images: Tensor, compute: Callable[[Tensor], Maps]) -> Maps:
    """The maps of these images by the network of that name: computed, or, within `remembering`, kept ones."""
    if not _depth or images.device.type != "cpu":
        return compute(images)
    return _memory.of(network, images, compute)


def _bytes(maps: Maps) -> int:
    return sum(of.nbytes for of in maps.values())
