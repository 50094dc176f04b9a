"""MVTec AD 2 (Heckler-Kram et al., 2025): 8,004 images of 8 categories, CC BY-NC-SA 4.0.

MVTec AD's layout, with validation/good, and test_public/ for test/; the masks lie in test_public/ground_truth/bad. Of
test_private/ and test_private_mixed/ no labels are published, so they are no samples; `predict --submission` writes
their maps.
"""

from datasets.mvtec_layout import Layout

CATEGORIES: tuple[str, ...] = (
    "can", "fabric", "fruit_jelly", "rice", "sheet_metal", "vial", "wallplugs", "walnuts",
)  # fmt: skip

_layout = Layout("mvtec_ad_2", "MVTec AD 2", "mvtec_ad_2.tar.gz", test="test_public")
find_categories, scan = _layout.find_categories, _layout.scan
