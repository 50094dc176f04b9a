"""BTAD's layout: `ok` and `ko`, several formats."""

from datasets.readers.btad import CATEGORIES, find_categories, scan


def test_ok_is_good_ko_is_defective_and_formats_may_differ(tmp_path, save) -> None:
    save("01/train/ok/0000.bmp", "01/test/ok/0021.bmp", "01/test/ko/0001.bmp", "01/ground_truth/ko/0001.png")
    save("03/train/ok/0000.png")
    assert find_categories(tmp_path) == ["01", "03"] and set(CATEGORIES) >= {"01", "03"}
    assert [(s.path, s.label, s.defect, s.part, s.masks) for s in scan(tmp_path, "01")] == [
        ("01/test/ko/0001.bmp", 1, "ko", "test", ("01/ground_truth/ko/0001.png",)),
        ("01/test/ok/0021.bmp", 0, "good", "test", ()),
        ("01/train/ok/0000.bmp", 0, "good", "train", ()),
    ]
