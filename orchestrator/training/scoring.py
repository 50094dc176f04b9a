"""Pictures -> what a detector takes, and its scores and maps of any number of them.

Letters: N images, C channels, H, W pixels.
"""

import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from model.contract import Detector

SCORE_BATCH = 32


def score(detector: Detector, pixels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) and maps (N, H, W) of uint8 `pixels` (N, H, W, C)."""
    parts = [detector.score(normalise(chunk)) for chunk in pixels.split(SCORE_BATCH)]
    scores, maps = zip(*parts, strict=True)
    return torch.cat(scores).double().cpu().numpy(), torch.cat(maps).float().cpu().numpy()


def normals(pixels: Tensor, chosen: Tensor) -> Iterator[Tensor]:
    """The images `chosen` (T,) of uint8 `pixels` (N, H, W, C), batch by batch, as `Detector.calibrate` takes them."""
    return (normalise(pixels[part]) for part in chosen.split(SCORE_BATCH))


def normalise(pixels: Tensor) -> Tensor:
    """uint8 (N, H, W, C) 0..255 -> float32 (N, C, H, W) in [-1, 1]."""
    return pixels.permute(0, 3, 1, 2).float().div_(127.5).sub_(1.0)


def to_device(array: np.ndarray, device: torch.device | str) -> Tensor:
    """The array on `device`; on CPU a view of it. Shared arrays are read-only, and nothing here writes to them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable")
        return torch.from_numpy(array).to(device)
