"""BTAD, the beanTech dataset (Mishra et al., ISIE 2021): 2,540 images of 3 products, CC BY-SA 4.0.

Its layout is MVTec AD's, with `ok` and `ko` for good and defective; images and masks are .bmp in one product and .png
in another.
"""

from datasets.mvtec_layout import Layout

COUNTS: dict[str, tuple[int, int]] = {"01": (421, 49), "02": (429, 200), "03": (1400, 41)}  # normal, defective
CATEGORIES: tuple[str, ...] = tuple(COUNTS)

_layout = Layout("btad", "BTAD", "btad.zip")
find_categories, scan = _layout.find_categories, _layout.scan
