"""MVTec AD (Bergmann et al., CVPR 2019; IJCV 2021): 5,354 images of 15 categories, CC BY-NC-SA 4.0.

Its layout is datasets/mvtec_layout.py's; masks are called <stem>_mask.png. Any other tree of that layout is read as
well, whatever its categories are called.
"""

from datasets.mvtec_layout import Layout

COUNTS: dict[str, tuple[int, int]] = {  # published: normal, defective
    "bottle": (229, 63), "cable": (282, 92), "capsule": (242, 109), "carpet": (308, 89), "grid": (285, 57),
    "hazelnut": (431, 70), "leather": (277, 92), "metal_nut": (242, 93), "pill": (293, 141), "screw": (361, 119),
    "tile": (263, 84), "toothbrush": (72, 30), "transistor": (273, 40), "wood": (266, 60), "zipper": (272, 119),
}  # fmt: skip
CATEGORIES: tuple[str, ...] = tuple(COUNTS)

_layout = Layout("mvtec_ad", "MVTec AD", "mvtec_anomaly_detection.tar.xz")
find_categories, scan = _layout.find_categories, _layout.scan
