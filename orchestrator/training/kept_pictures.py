"""What a refit leaves to look at: a few test images, and what the detector made of them, as PNG files in rows.

Examples depend on the split and the images' content alone, so all models of one category and seed show the same ones.
Mistakes are the detector's own.

Letters: N images, T of them in the test part, C channels, H, W pixels.
"""

import io
from collections.abc import Sequence

import numpy as np
import torch
from PIL import Image

from datasets.images import Images
from datasets.masks import in_frame
from model.contract import Detector
from orchestrator.experiment.job import Job
from orchestrator.results.rows import EXAMPLE, MISTAKE, PictureRow
from orchestrator.training import scoring

MOST_EXAMPLES = 12
MISTAKES_OF_A_KIND = 2  # missed defects, and false alarms
SATURATED_SHARE = 1e-3  # of all pixels of the test part: a single hot one must not leave every other residual black


def rows(
    detector: Detector, job: Job, images: Images, test: np.ndarray, scores: np.ndarray, maps: np.ndarray,
    thresholds: np.ndarray, device: torch.device,
) -> list[PictureRow]:  # fmt: skip
    """The pictures of a job. `test` (T,) are indices into `images`; `scores` and `thresholds` (T,) and `maps` (T, H, W)
    are theirs.

    All residuals are on the job's one scale, from the least value of its maps to the highest but 0.1 % of them. It
    reconstructs the chosen images only: some detectors optimise to do so.
    """
    defects = [images.samples[i].defect for i in test]
    chosen = choose(images.labels[test], defects, [images.content[i] for i in test], scores, thresholds)
    pixels = images.pixels[test[list(chosen)]]  # (N, H, W, C)
    reconstructions = to_pixels(detector.reconstruct(scoring.normalise(scoring.to_device(pixels, device))))
    low, high = float(maps.min()), float(np.quantile(maps, 1 - SATURATED_SHARE))
    found = []
    for place, (position, why) in enumerate(chosen.items()):
        sample = images.samples[test[position]]
        found.append(
            PictureRow(
                job_id=job.id,
                dataset=job.category.dataset,
                category=job.category.name,
                model=job.model,
                seed=job.seed,
                path=sample.path,
                label=sample.label,
                defect=sample.defect,
                score=float(scores[position]),
                threshold=float(thresholds[position]),
                why=why,
                image=png(pixels[place]),
                reconstruction=png(reconstructions[place]),
                residual=png(grey(maps[position], low, high)),
                residual_min=low,
                residual_max=high,
                mask=_mask(images, test[position]),
            )
        )
    return found


def _mask(images: Images, index: int) -> bytes | None:
    """As it lies in the frame, beside the image; None where it is not known."""
    sample = images.samples[index]
    if images.masks is None or (sample.label == 1 and not sample.masks):
        return None
    return png(in_frame(images.masks[index], images.frame).astype(np.uint8) * 255)


def choose(
    labels: np.ndarray, defects: Sequence[str], content: Sequence[str], scores: np.ndarray, thresholds: np.ndarray
) -> dict[int, str]:
    """Position among the T test images -> why it is shown; each image once, the good example first.

    Examples: of the good images and of each kind of defect, the one whose content hash is the lowest. Mistakes: the
    defective images of the lowest score and the good ones of the highest, where their threshold is on the wrong side.
    """
    order = sorted(range(len(labels)), key=lambda i: content[i])
    examples: dict[tuple[int, str], int] = {}
    for i in order:
        examples.setdefault((labels[i], defects[i]), i)
    missed = sorted((i for i in order if labels[i] and scores[i] < thresholds[i]), key=lambda i: scores[i])
    alarms = sorted((i for i in order if not labels[i] and scores[i] >= thresholds[i]), key=lambda i: -scores[i])
    mistakes = [*missed[:MISTAKES_OF_A_KIND], *alarms[:MISTAKES_OF_A_KIND]]
    shown = [examples[kind] for kind in sorted(examples)][:MOST_EXAMPLES]
    return {**dict.fromkeys(shown, EXAMPLE), **{i: MISTAKE for i in mistakes if i not in shown}}


def to_pixels(images: torch.Tensor) -> np.ndarray:
    """float (N, C, H, W), clipped to [-1, 1] -> uint8 (N, H, W, C): the inverse of fit.normalise."""
    levels = images.detach().clamp(-1, 1).add(1).mul(127.5).round().to(torch.uint8)
    return levels.permute(0, 2, 3, 1).cpu().numpy()


def grey(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """float (H, W) -> uint8 (H, W): `low` is black, `high` is white; all black where they are equal."""
    share = (values - low) / (high - low) if high > low else np.zeros_like(values)
    return np.rint(np.clip(share, 0, 1) * 255).astype(np.uint8)


def png(pixels: np.ndarray) -> bytes:
    """The PNG file of uint8 pixels (H, W) or (H, W, C), C = 1 or 3."""
    buffer = io.BytesIO()
    Image.fromarray(pixels[:, :, 0] if pixels.shape[2:] == (1,) else pixels).save(buffer, format="PNG")
    return buffer.getvalue()
