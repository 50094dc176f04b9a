"""Maps for the evaluation server of MVTec AD 2, whose private test sets have no labels.

    anomaly_images/CATEGORY/SPLIT/NAME.tiff               16-bit floats, as the picture is wide and high
    anomaly_images_thresholded/CATEGORY/SPLIT/NAME.png    255 where it is anomalous, else 0

That is the layout of MVTec's own public code, whose check_and_prepare_data_for_upload.py looks at the folder and packs
it. A map is on the scale of its detector's validation maps, from 0 to 1 and above, so that it keeps its order in 16
bits; anomalous is what heat maps outline.
"""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from datasets.loose_pictures import LoosePicture
from orchestrator.deploy.heat_maps import HOT
from orchestrator.deploy.judging import Judged
from orchestrator.errors import InputError, RunError
from orchestrator.results.storage import put_whole
from orchestrator.training.checkpoint import Config

DATASET = "mvtec_ad_2"
SPLITS = ("test_private", "test_private_mixed")
MAPS, THRESHOLDED = "anomaly_images", "anomaly_images_thresholded"
_IS_FLOAT = {339: 3}  # TIFF's tag of the format of samples


def check(folder: Path, config: Config, pictures: Sequence[LoosePicture]) -> None:
    """Raises InputError unless the folder can be made, the detector is of the dataset, and the pictures are of its
    category's private test sets."""
    if config.dataset != DATASET:
        raise InputError(f"--submission is of detectors of {DATASET}, and this one is of {config.dataset}.")
    expected = [f"{config.category}/{split}" for split in SPLITS]
    for picture in pictures:
        if _place(picture.path).parent.as_posix() not in expected:
            raise InputError(f"--submission: {picture.path} is in none of {', '.join(expected)}. Name those folders.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"--submission {folder} cannot be made ({error.strerror}). Name another folder.") from None


def write(folder: Path, config: Config, one: Judged) -> None:
    """Puts both files of a picture into the folder, in place of earlier ones. Raises RunError where they cannot be
    written."""
    native = one.shown.native
    values = _on_scale(config.frame.out_of(one.heat, native, native), config)  # (H, W)
    floats = Image.fromarray(values.view(np.uint16))  # Pillow knows no floats of 16 bits; the tag says what they are
    anomalous = Image.fromarray(np.where(values > HOT, np.uint8(255), np.uint8(0)))
    place = _place(one.row.path)
    try:
        put_whole(folder / MAPS / place.with_suffix(".tiff"), _encoded(floats, "TIFF", tiffinfo=_IS_FLOAT))
        put_whole(folder / THRESHOLDED / place.with_suffix(".png"), _encoded(anomalous, "PNG"))
    except OSError as error:
        raise RunError(f"--submission {folder}: {error.strerror}: {place}. What was written before stays.") from error


def _place(path: str) -> Path:
    """CATEGORY/SPLIT/NAME, by the folders that a picture lies in."""
    return Path(*Path(path).absolute().parts[-3:])


def _on_scale(values: np.ndarray, config: Config) -> np.ndarray:
    """float16: 0 is the least of the validation maps, 1 all but the highest of them."""
    span = config.map_high - config.map_low
    scaled = (values - config.map_low) / (span if span > 0 else 1.0)
    most = np.finfo(np.float16).max
    return np.clip(scaled, -most, most).astype(np.float16)


def _encoded(image: Image.Image, format: str, **how) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, format=format, **how)
    return buffer.getvalue()
