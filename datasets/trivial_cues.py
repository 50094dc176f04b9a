"""Trivial cues: numbers of a whole image that tell good from defective by themselves. Pure.

Where defective parts were photographed in other light, at another size or in another format, whatever a detector scores
there may be that, and no defect. The labels of all labelled images are looked at, so a cue may inform and never choose.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from datasets.images import Images

LEAST_IMAGES = 5  # of each label
STRONG = 0.9  # an AUROC of at least this, or of at most one minus this


@dataclass(frozen=True)
class Cue:
    """A number of the whole image, and how well it separates."""

    name: str
    auroc: float  # near 1 where defective images have more of it, near 0 where they have less


def find(images: Images) -> list[Cue]:
    """The trivial cues among a category's labelled images, the strongest first; none where these are too few.

    Labelled are all images but those of the dataset's own training part. Colours are those of the images as they are
    fitted, which is what detectors see.
    """
    labelled = np.array([i for i, sample in enumerate(images.samples) if sample.part != "train"], dtype=int)
    is_defective = images.labels[labelled] == 1
    if min(is_defective.sum(), (~is_defective).sum()) < LEAST_IMAGES:
        return []
    cues = [
        Cue(name, auroc(values[~is_defective], values[is_defective])) for name, values in _numbers(images, labelled)
    ]
    strong = [cue for cue in cues if max(cue.auroc, 1 - cue.auroc) >= STRONG]
    return sorted(strong, key=lambda cue: -abs(cue.auroc - 0.5))


def auroc(good: np.ndarray, defective: np.ndarray) -> float:
    """How often a defective one is above a good one, a tie counting half: (G,) and (D,) values, none of them empty."""
    ordered = np.sort(good)
    below, up_to = (np.searchsorted(ordered, defective, side) for side in ("left", "right"))
    return float((below + up_to).mean() / (2 * len(good)))


def _numbers(images: Images, chosen: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """Name and (L,) values of each number of the L chosen images."""
    colours = np.array([images.pixels[i].mean(axis=(0, 1)) for i in chosen])  # (L, 3)
    yield "mean brightness", colours.mean(axis=1)
    yield "deviation of the brightness", np.array([images.pixels[i].mean(axis=2).std() for i in chosen])
    for channel, name in enumerate(("red", "green", "blue")):
        yield f"mean {name}", colours[:, channel]
    yield "file size in bytes", np.array([images.samples[i].size_bytes for i in chosen])
    for axis, name in enumerate(("height", "width")):
        yield f"{name} in pixels", np.array([images.native_sizes[i][axis] for i in chosen])
