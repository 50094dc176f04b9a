"""MPDD, metal parts (Jezek et al., ICUMT 2021): 1,346 images of 6 categories, CC BY-NC-SA 4.0.

Its layout is MVTec AD's. The parts lie in any place and turn, before backgrounds that change.
"""

from datasets.mvtec_layout import Layout

COUNTS: dict[str, tuple[int, int]] = {  # published: normal, defective
    "bracket_black": (321, 47), "bracket_brown": (211, 51), "bracket_white": (140, 30), "connector": (158, 14),
    "metal_plate": (80, 71), "tubes": (154, 69),
}  # fmt: skip
CATEGORIES: tuple[str, ...] = tuple(COUNTS)

_layout = Layout("mpdd", "MPDD", "MPDD.zip")
find_categories, scan = _layout.find_categories, _layout.scan
