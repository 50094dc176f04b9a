"""MVTec AD 2's layout: validation images, a public test part with masks in it, private ones without labels."""

from datasets.readers.mvtec_ad_2 import CATEGORIES, find_categories, scan


def test_validation_choosing_images_and_the_public_test_part(tmp_path, save) -> None:
    save("vial/train/good/000_regular.png", "vial/validation/good/000_regular.png")
    save("vial/test_public/good/000_regular.png", "vial/test_public/bad/000_overexposed.png")
    save("vial/test_public/ground_truth/bad/000_overexposed_mask.png", "vial/test_private/000_regular.png")
    assert find_categories(tmp_path) == ["vial"] and len(CATEGORIES) == 8
    assert [(s.path.removeprefix("vial/"), s.label, s.part, s.masks) for s in scan(tmp_path, "vial")] == [
        ("test_public/bad/000_overexposed.png", 1, "test",
         ("vial/test_public/ground_truth/bad/000_overexposed_mask.png",)),
        ("test_public/good/000_regular.png", 0, "test", ()),
        ("train/good/000_regular.png", 0, "train", ()),
        ("validation/good/000_regular.png", 0, "validation", ()),
    ]  # fmt: skip
