"""Small pictures in the layouts of published datasets."""

from collections.abc import Callable
from pathlib import Path
from zlib import crc32

import numpy as np
import pytest
from PIL import Image

Save = Callable[..., None]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Writes pictures of noise, each another, at paths below tmp_path; black where asked."""

    def write(*names: str, black: bool = False) -> None:
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            levels = np.random.default_rng(crc32(name.encode())).integers(1, 255, size=(6, 6), dtype=np.uint8)
            Image.fromarray(levels * (not black)).save(path)

    return write
