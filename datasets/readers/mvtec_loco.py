"""MVTec LOCO AD (Bergmann et al., IJCV 2022): 3,644 images of 5 categories, CC BY-NC-SA 4.0.

MVTec AD's layout, with validation/good; the kinds of defects are logical_anomalies, where each part is sound and their
arrangement is not, and structural_anomalies. An image has one or more masks, ground_truth/<kind>/<stem>/*.png, whose
levels tell kinds apart, all of them above 0: we take their union.
"""

from datasets.mvtec_layout import Layout

COUNTS: dict[str, tuple[int, int]] = {  # published: normal, defective
    "breakfast_box": (515, 173), "juice_bottle": (483, 236), "pushpins": (579, 172), "screw_bag": (542, 219),
    "splicing_connectors": (532, 193),
}  # fmt: skip
CATEGORIES: tuple[str, ...] = tuple(COUNTS)

_layout = Layout("mvtec_loco", "MVTec LOCO AD", "mvtec_loco_anomaly_detection.tar.xz")
find_categories, scan = _layout.find_categories, _layout.scan
