"""A detector as a program of its own, by torch.export: pictures of one size in, scores, verdicts and heat maps out. Its
file is torch's own (.pt2) or ONNX (orchestrator/deploy/onnx_file.py).

picture -> Pillow's antialiased resize -> bars -> score >= threshold, all in the program. The resize is Pillow's to the
last bit: each of its two passes is a constant matrix of whole numbers. A resize in floating point
(`F.interpolate(antialias=True)`) moved scores by up to 0.5 % and turned a verdict.

Letters: N pictures, H, W their native height and width; R, C those of the detector's frame; h, w those
of a picture in it.
"""

import io
import json
import statistics
import time
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import PIL
import torch
from torch import Tensor, nn

from datasets.picture import fit_image
from model.contract import Detector
from orchestrator.deploy.onnx_file import OnnxFile
from orchestrator.errors import InputError, RunError
from orchestrator.training import scoring
from orchestrator.training.checkpoint import Checkpoint, Config

METADATA = "metadata.json"  # beside the program, in its file
TOLERANCE = 1e-4  # of a score, relative
FIXED_POINT = 1 << 22  # the one of Pillow's weights
BLOCK = 16  # of a pass's outputs: each sees a part of its inputs only
CHECK_BYTES = 1 << 26  # of pictures at native size, at a time
TIMED = 20  # calls that a picture's milliseconds are the median of


@dataclass(frozen=True)
class Difference:
    """How far a program is from its detector, on the same pictures."""

    pictures: int
    absolute: float  # the largest of a score
    relative: float  # to the score, or to the threshold where that is larger
    verdicts: int  # that are not the same

    def is_negligible(self) -> bool:
        """Whether every verdict is the same, and every score but for TOLERANCE."""
        return self.verdicts == 0 and self.relative <= TOLERANCE


class Pass:
    """One pass of Pillow's bilinear resize, which is antialiased: (..., old) uint8 or whole -> (..., new) whole
    float64."""

    def __init__(self, old: int, new: int):
        weights = pass_weights(old, new)
        self.blocks: list[tuple[int, int, Tensor]] = []  # first and last input, weights (inputs, outputs)
        for start in range(0, new, BLOCK):
            block = weights[start : start + BLOCK]
            used = np.flatnonzero(block.any(axis=0))
            first, last = int(used[0]), int(used[-1]) + 1
            self.blocks.append((first, last, torch.from_numpy(block[:, first:last].T.copy())))

    def __call__(self, levels: Tensor) -> Tensor:
        """(..., old) -> (..., new)."""
        sums = torch.cat([levels[..., first:last].double() @ weights for first, last, weights in self.blocks], dim=-1)
        return ((sums + FIXED_POINT // 2) / FIXED_POINT).floor().clamp(0, 255)


def pass_weights(old: int, new: int) -> np.ndarray:
    """(new, old) whole float64: what each output takes of each input, as Pillow rounds its triangle filter."""
    weights = np.zeros((new, old))
    scale = old / new
    support = max(scale, 1.0)
    for output in range(new):
        centre = (output + 0.5) * scale
        first, last = max(int(centre - support + 0.5), 0), min(int(centre + support + 0.5), old)
        triangle = np.maximum(0.0, 1.0 - np.abs((np.arange(first, last) - centre + 0.5) / support))
        weights[output, first:last] = np.floor(triangle / triangle.cumsum()[-1] * FIXED_POINT + 0.5)
    return weights


class Framing(nn.Module):
    """fit_image of pictures of one size: (N, H, W, 3) uint8 -> (N, R, C, 3) uint8."""

    def __init__(self, height: int, width: int, config: Config, columns_first: bool):
        super().__init__()
        self.frame, self.columns_first = config.frame, columns_first
        self.rows, self.columns = self.frame.inside(height, width)
        self.vertical = Pass(height, self.rows.stop - self.rows.start)
        self.horizontal = Pass(width, self.columns.stop - self.columns.start)

    def forward(self, pictures: Tensor) -> Tensor:
        """Pictures -> framed ones, as the class says."""
        levels = pictures.permute(0, 3, 1, 2)
        if self.columns_first:
            levels = self._over_rows(self.horizontal(levels))
        else:
            levels = self.horizontal(self._over_rows(levels))
        levels = self._between_bars(levels, 2, self.rows, self.frame.height)
        levels = self._between_bars(levels, 3, self.columns, self.frame.width)
        return levels.permute(0, 2, 3, 1).to(torch.uint8).contiguous()

    def _over_rows(self, levels: Tensor) -> Tensor:
        return self.vertical(levels.transpose(2, 3)).transpose(2, 3)

    def _between_bars(self, levels: Tensor, axis: int, filled: slice, side: int) -> Tensor:
        """Each bar along an axis is of the mean of the border beside it."""
        first, last = levels.narrow(axis, 0, 1), levels.narrow(axis, -1, 1)
        before, after = self._bar(first, axis, filled.start), self._bar(last, axis, side - filled.stop)
        return torch.cat([before, levels, after], dim=axis)

    def _bar(self, border: Tensor, axis: int, thickness: int) -> Tensor:
        shape = list(border.shape)
        shape[axis] = thickness
        return border.mean(dim=5 - axis, keepdim=True).round().expand(shape)


class Program(nn.Module):
    """Pictures (N, H, W, 3) uint8 -> scores (N,), verdicts (N,) bool: is it defective?, maps (N, h, w): the heat of
    what the picture fills of the detector's frame, so without its bars."""

    def __init__(self, detector: Detector, config: Config, framing: Framing):
        super().__init__()
        self.detector, self.threshold, self.framing = detector, config.threshold, framing

    def forward(self, pictures: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Pictures -> scores, verdicts and maps, as the class says."""
        scores, maps = self.detector.score(scoring.normalise(self.framing(pictures)))
        return scores, scores.double() >= self.threshold, maps[:, self.framing.rows, self.framing.columns]


class TorchFile:
    """An exported program as a file that torch.export.load reads."""

    made_with: dict[str, str] = {}  # besides torch and pillow

    def __init__(self, program: torch.export.ExportedProgram):
        self.program = program
        self._run = program.module()

    def judge(self, pictures: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pictures (N, H, W, 3) uint8 -> scores (N,), verdicts (N,) bool."""
        with torch.no_grad():
            scores, flagged, _ = self._run(scoring.to_device(pictures, "cpu"))
        return scores.numpy(), flagged.numpy()

    def content(self, metadata: dict[str, Any]) -> bytes:
        """The file, with what it is in `METADATA`."""
        buffer = io.BytesIO()
        with warnings.catch_warnings(action="ignore"):  # of weights that share no memory
            torch.export.save(self.program, buffer, extra_files={METADATA: json.dumps(metadata, indent=2)})
        return buffer.getvalue()


FILES: dict[str, type[TorchFile | OnnxFile]] = {".pt2": TorchFile, ".onnx": OnnxFile}  # by what ends the name


@dataclass(frozen=True)
class Export:
    """A program for pictures of one size, and the detector that it must agree with, both on the CPU."""

    program: TorchFile | OnnxFile
    detector: Detector
    config: Config
    size: tuple[int, int]  # (H, W)

    @property
    def pictures_at_a_time(self) -> int:
        """As many as memory allows, and no more than are scored at once."""
        height, width = self.size
        return min(max(CHECK_BYTES // (3 * height * width), 1), scoring.SCORE_BATCH)

    def difference(self, chunks: Iterable[list[np.ndarray]]) -> Difference:
        """Of program and detector, on pictures (H, W, 3) uint8 of this size."""
        pairs = []
        for chunk in chunks:
            scores, flagged = self.program.judge(np.stack(chunk))
            pairs.append(np.stack([self._scores(chunk), scores.astype(float), flagged], axis=1))
        expected, scores, flagged = np.concatenate(pairs).T
        apart = np.abs(scores - expected)
        scale = np.maximum(np.abs(expected), abs(self.config.threshold))  # a score may well be about 0
        relative = apart / np.maximum(scale, np.finfo(np.float64).tiny)
        turned = int((flagged != (expected >= self.config.threshold)).sum())
        return Difference(len(expected), float(apart.max()), float(relative.max()), turned)

    def picture_ms(self, pixels: np.ndarray) -> tuple[float, float]:
        """Milliseconds for one picture (H, W, 3) uint8, decoded before: of the detector, and of its program."""
        return _median_ms(lambda: self._scores([pixels])), _median_ms(lambda: self.program.judge(pixels[None]))

    def _scores(self, pictures: list[np.ndarray]) -> np.ndarray:
        framed = np.stack([fit_image(pixels, self.config.frame) for pixels in pictures])
        return scoring.score(self.detector, torch.from_numpy(framed))[0]

    def file(self, difference: Difference) -> bytes:
        """The file of the program. Raises RunError where it is too far from its detector."""
        if not difference.is_negligible():
            raise RunError(
                f"the exported program is not the detector: scores differ by up to {difference.relative:.2g} of "
                f"themselves or of the threshold ({TOLERANCE:g} are allowed), and {difference.verdicts} of "
                f"{difference.pictures} verdicts. "
                "It was not written."
            )
        return self.program.content(self._metadata(difference))

    def _metadata(self, difference: Difference) -> dict[str, Any]:
        height, width = self.size
        return {
            **asdict(self.config),
            "input": f"uint8 (N, {height}, {width}, 3), RGB, upright",
            "outputs": ["scores (N,)", "is_defective (N,)", "maps (N, h, w)"],
            "height_px": height,
            "width_px": width,
            "difference": asdict(difference),
            "exported_with": {"torch": torch.__version__, "pillow": PIL.__version__, **self.program.made_with},
        }


def export(checkpoint: Checkpoint, size: tuple[int, int], suffix: str = ".pt2") -> Export:
    """The program of a detector, for pictures of height and width `size`, in the form of FILES that `suffix` says; not
    checked yet. Raises InputError for a detector that is no fixed program, RunError for one that torch.export cannot
    follow."""
    config = checkpoint.config
    detector = checkpoint.detector("cpu")
    if detector.optimises_to_score:
        raise InputError(
            f"--export: {config.model} searches by gradient descent for each picture, and cannot be a program of its "
            "own. Name another --model, or leave --export out."
        )
    example = torch.zeros((2, *size, 3), dtype=torch.uint8)
    batch = torch.export.Dim("batch", min=1)
    with warnings.catch_warnings(action="ignore"), torch.no_grad():
        detector.score(torch.zeros((1, *config.image_shape)))  # leaves it as it is when it scores
        try:
            program = torch.export.export(Program(detector, config, framing(size, config)), (example,), None,
                                          dynamic_shapes=({0: batch},))  # fmt: skip
        except RuntimeError as error:  # of anomalib's, whose code is not ours to mend
            raise RunError(
                f"--export: torch.export cannot make a program of {config.model}: {str(error).strip().splitlines()[0]} "
                "Nothing was written. Name another --model, or leave --export out."
            ) from None
    return Export(FILES[suffix](program), detector, config, size)


def framing(size: tuple[int, int], config: Config) -> Framing:
    """fit_image as a module. Pillow's passes come in an order that depends on its version and the size, so it is asked.
    Raises RunError where this Pillow does something else."""
    noise = np.random.default_rng(0).integers(0, 256, (*size, 3), dtype=np.uint8)
    expected = torch.from_numpy(fit_image(noise, config.frame))
    for columns_first in (True, False):
        found = Framing(*size, config, columns_first)
        if torch.equal(found(torch.from_numpy(noise[None]))[0], expected):
            return found
    raise RunError(
        f"--export: Pillow {PIL.__version__} resizes {size[1]}x{size[0]} in a way that this program does not know; "
        "nothing was written. Use another version of Pillow."
    )


def _median_ms(call: Callable[[], object]) -> float:
    """Of TIMED calls, after one that warms up."""
    taken = []
    for _ in range(1 + TIMED):
        start = time.perf_counter()
        call()
        taken.append(1000 * (time.perf_counter() - start))
    return statistics.median(taken[1:])
