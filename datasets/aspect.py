"""The proportions of a category's pictures, by their headers: no picture is decoded for it."""

from collections.abc import Sequence
from pathlib import Path
from statistics import median

from datasets import headers
from datasets.sample import Sample

MOST_LOOKED_AT = 32


def median_aspect(home: Path, samples: Sequence[Sample]) -> float:
    """Width / height in the middle of up to 32 pictures under `home`, spread over the normal ones that are no test
    images; 1 where none has a header that can be read."""
    normals = [sample for sample in samples if sample.label == 0 and sample.part != "test"]
    looked_at = normals[:: -(-len(normals) // MOST_LOOKED_AT) or 1]
    found = [headers.read(home / sample.path) for sample in looked_at]
    sizes = [header.native_size for header in found if header]
    return median(width / height for height, width in sizes) if sizes else 1.0
