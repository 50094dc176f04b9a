"""A montage: some good images of a category and some of each kind of defect, their masks outlined.

What a person looks at first: whether what is called good looks good, and whether the masks lie on the defects.
"""

from collections.abc import Sequence

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from datasets.images import Images
from datasets.masks import in_frame

ACROSS = 6  # images of a kind
_MARGIN_PX, _TITLE_PX, _OUTLINE_PX = 4, 14, 2
_OUTLINE, _PAPER, _INK = (255, 0, 255), (255, 255, 255), (0, 0, 0)


def of_category(images: Images) -> Image.Image:
    """A row for the good images, and one for each kind of defect."""
    kinds = _by_kind(images)
    frame = images.frame
    row_px, column_px = frame.height + _TITLE_PX + _MARGIN_PX, frame.width + _MARGIN_PX
    sheet = Image.new("RGB", (ACROSS * column_px + _MARGIN_PX, len(kinds) * row_px), _PAPER)
    draw = ImageDraw.Draw(sheet)
    for row, (kind, of_kind) in enumerate(kinds.items()):
        title = f"{images.category}: {kind}, {len(of_kind)}"
        draw.text((_MARGIN_PX, row * row_px), title.encode("ascii", "replace").decode(), fill=_INK)
        for column, index in enumerate(_spread(of_kind)):
            place = column * column_px + _MARGIN_PX, row * row_px + _TITLE_PX
            sheet.paste(Image.fromarray(outlined(images, index)), place)
    return sheet


def stacked(sheets: Sequence[Image.Image]) -> Image.Image:
    """One below the other."""
    whole = Image.new("RGB", (max(sheet.width for sheet in sheets), sum(sheet.height for sheet in sheets)), _PAPER)
    top = 0
    for sheet in sheets:
        whole.paste(sheet, (0, top))
        top += sheet.height
    return whole


def outlined(images: Images, index: int) -> np.ndarray:
    """(H, W, 3) uint8: the image, with a line around its mask where it has one."""
    pixels = images.pixels[index].copy()
    if images.masks is not None and images.samples[index].masks:
        mask = in_frame(images.masks[index], images.frame)
        grown = np.asarray(Image.fromarray(mask).convert("L").filter(ImageFilter.MaxFilter(_OUTLINE_PX * 2 + 1))) > 0
        pixels[grown & ~mask] = _OUTLINE
    return pixels


def _by_kind(images: Images) -> dict[str, list[int]]:
    """The images of each kind, the good ones first."""
    kinds = sorted({sample.defect for sample in images.samples}, key=lambda kind: (kind != "good", kind))
    return {kind: [i for i, sample in enumerate(images.samples) if sample.defect == kind] for kind in kinds}


def _spread(indices: Sequence[int]) -> list[int]:
    """Up to ACROSS of them, evenly."""
    return [indices[round(place)] for place in np.linspace(0, len(indices) - 1, min(ACROSS, len(indices)))]
