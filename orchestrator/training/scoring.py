"""Pictures -> what a detector takes, and its scores and maps of any number of them.

Letters: N images, C channels, H, W pixels.
"""

import time
import warnings
from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from model.contract import Detector

SCORE_BATCH = 32
TIMED, WARM_UP = 50, 3  # pictures


def score(detector: Detector, pixels: Tensor) -> tuple[np.ndarray, np.ndarray]:
    """Scores (N,) and maps (N, H, W) of uint8 `pixels` (N, H, W, C)."""
    parts = [detector.score(normalise(chunk)) for chunk in pixels.split(SCORE_BATCH)]
    scores, maps = zip(*parts, strict=True)
    return torch.cat(scores).double().cpu().numpy(), torch.cat(maps).float().cpu().numpy()


def latency_ms(detector: Detector, pixels: Tensor) -> tuple[float, float] | None:
    """Median and 99th percentile of how long one picture of uint8 `pixels` (N, H, W, C) takes to be judged by itself:
    TIMED of them in turn, on one thread where that is a CPU's. None for a detector that optimises to score."""
    if detector.optimises_to_score:
        return None
    threads, times = torch.get_num_threads(), []
    torch.set_num_threads(1)
    try:
        for place in range(-WARM_UP, TIMED):
            picture = pixels[place % len(pixels)][None]
            start = time.perf_counter()
            detector.score(normalise(picture))[0].cpu()
            times.append((time.perf_counter() - start) * 1000)
    finally:
        torch.set_num_threads(threads)
    median, most = np.quantile(times[WARM_UP:], (0.5, 0.99))
    return float(median), float(most)


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
