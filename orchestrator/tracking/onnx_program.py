"""The making of one job's ONNX program, as a process: OUTPUT DATASET CATEGORY MODEL JOB FILE. Why there is none is the
last line on stderr."""

import io
import os
import sys
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from orchestrator.deploy import export
from orchestrator.errors import InputError, RunError
from orchestrator.results.output import Output, checkpoint_folder
from orchestrator.training import checkpoint


def make(output: Output, place: tuple[str, str, str], job_id: str) -> bytes:
    """The file, for pictures of the detector's frame. Raises InputError or RunError where there can be none."""
    found = checkpoint.load(output, *checkpoint_folder(job_id))
    pictures = [_pixels(row.image) for row in output.pictures(*place, of=[job_id])]
    if not pictures:
        raise RunError(f"{job_id} has left no pictures to check its program on.")
    exported = export.export(found, found.config.image_shape[1:], ".onnx")
    return exported.file(exported.difference([picture] for picture in pictures))


def _pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


if __name__ == "__main__":
    os.nice(19)
    torch.set_num_threads(1)
    root, dataset, category, model, job_id, file = sys.argv[1:]
    try:
        Path(file).write_bytes(make(Output(root), (dataset, category, model), job_id))
    except (InputError, RunError) as error:
        sys.exit(str(error))
