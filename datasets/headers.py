"""What the header of a picture's file says: its size, its mode, how many pages it has. Nothing is decoded."""

import io
from dataclasses import dataclass
from pathlib import Path

from datasets import mirror
from datasets.decoding import opened, upright


@dataclass(frozen=True)
class Header:
    """Of one file."""

    native_size: tuple[int, int]  # (H, W), upright
    mode: str  # Pillow's: L is grey, RGB colour, I;16 grey of 16 bits
    pages: int


def read(path: Path) -> Header | None:
    """The header of a picture; None where it has none that can be read."""
    try:
        source = io.BytesIO(mirror.content(path)) if mirror.is_mirrored(path) else path
        with opened(source) as image:
            return Header(upright(image.size, image), image.mode, getattr(image, "n_frames", 1))
    except Exception:  # whoever decodes it says what it is
        return None
