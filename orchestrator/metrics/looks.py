"""Whether pictures still look as those that a detector learned from: a lamp has died, a camera moved, a lens is dirty.

pixels -> a few numbers a picture -> what those of normal images span -> pictures that come, one after the other -> the
first of many that lie beyond it on the same side.

A span reaches as far again beyond the middle 98 % of the normal images' numbers as these are apart, half on each side,
and one picture is no evidence: so neither odd parts nor defects are taken for another light.

Letters: N pictures, H, W a frame's height and width.
"""

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

KINDS = {  # of numbers: what is said of too small and of too large ones, None where that is nothing odd
    "brightness": ("darker", "brighter"),
    "contrast": ("flatter", "harsher"),
    "sharpness": ("more blurred", "sharper"),
    "tint": ("bluer", "redder"),
    "height_px": ("shorter", "taller"),
    "width_px": ("narrower", "wider"),
    "score": ("less anomalous", None),  # more so is what defects are
}
SHARES = (0.0, 0.01, 0.5, 0.99, 1.0)  # that quantiles are kept at
WINDOW, ENOUGH = 20, 0.75  # pictures in a row; the share of them that must lie beyond a span
FEWEST = 5  # pictures that are judged as a whole where no more come


def of_picture(frame: np.ndarray, native_size: tuple[int, int]) -> dict[str, float]:
    """The numbers of a picture but for its score: from its frame (H, W, 3) uint8, and the height and the width that it
    had before."""
    grey = frame.mean(-1, dtype=np.float32) / 255
    red, _, blue = frame.mean((0, 1)) / 255
    return {
        "brightness": float(grey.mean()),
        "contrast": float(grey.std()),
        "sharpness": sum(_mean_step(grey, axis) for axis in (0, 1)) / 2,
        "tint": float(red - blue),
        "height_px": float(native_size[0]),
        "width_px": float(native_size[1]),
    }


def _mean_step(grey: np.ndarray, axis: int) -> float:
    """From a pixel (H, W) to the next."""
    return float(np.abs(np.diff(grey, axis=axis)).mean()) if grey.shape[axis] > 1 else 0.0


def of_pictures(frames: Iterable[np.ndarray], native_sizes: Sequence[tuple[int, int]]) -> dict[str, list[float]]:
    """The same of N pictures: each number of all of them."""
    found = [of_picture(frame, size) for frame, size in zip(frames, native_sizes, strict=True)]
    return {kind: [one[kind] for one in found] for kind in found[0]}


def quantiles(looks: Mapping[str, Sequence[float]]) -> dict[str, list[float]]:
    """Of the numbers of normal images, at SHARES: what a detector keeps of them."""
    return {kind: np.quantile(values, SHARES).tolist() for kind, values in looks.items()}


@dataclass(frozen=True)
class Change:
    """From one picture on, most lie beyond a span."""

    kind: str
    is_above: bool
    first: str  # name of that picture
    beyond: int  # pictures, `of` so many
    of: int
    median: float  # of those beyond
    low: float  # what the normal images span
    high: float

    @property
    def word(self) -> str:
        """What they are, as "darker"."""
        return str(KINDS[self.kind][self.is_above])


@dataclass
class LastPictures:
    """The last of the pictures that come, in their order. What has changed is told once a kind."""

    known: Mapping[str, list[float]]  # quantiles of normal images
    _last: deque[tuple[str, dict[str, float]]] = field(default_factory=lambda: deque(maxlen=WINDOW))
    _told: set[str] = field(default_factory=set)

    def see(self, name: str, looks: Mapping[str, float]) -> list[Change]:
        """What has changed, by this picture and those before it."""
        self._last.append((name, dict(looks)))
        return self._changes() if len(self._last) == WINDOW else []

    def end(self) -> list[Change]:
        """What has changed where no more pictures come, and they were too few to fill a window."""
        return self._changes() if FEWEST <= len(self._last) < WINDOW else []

    def _changes(self) -> list[Change]:
        found = [change for kind in self.known if kind not in self._told and (change := self._change(kind))]
        self._told |= {change.kind for change in found}
        return found

    def _change(self, kind: str) -> Change | None:
        low, high = span(self.known[kind])
        for is_above in (False, True):
            seen = [(name, looks[kind]) for name, looks in self._last]
            beyond = [(name, value) for name, value in seen if (value > high if is_above else value < low)]
            if KINDS[kind][is_above] and len(beyond) >= ENOUGH * len(self._last):
                median = float(np.median([value for _, value in beyond]))
                return Change(kind, is_above, beyond[0][0], len(beyond), len(self._last), median, low, high)
        return None


def span(quantiles: list[float]) -> tuple[float, float]:
    """From which to which number pictures look like the normal images, by `quantiles` of those."""
    low, high = quantiles[1], quantiles[3]
    return low - (high - low) / 2, high + (high - low) / 2
