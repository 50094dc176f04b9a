"""The magnetic tiles' layout: a folder a kind, each mask beside its picture."""

import pytest

from datasets.readers.magnetic_tile import find_categories, scan
from datasets.sample import DataError


def test_kinds_and_the_masks_beside_the_pictures(tmp_path, save) -> None:
    save("MT_Free/Imgs/exp1_num_1.jpg", "MT_Blowhole/Imgs/exp1_num_2.jpg", "MT_Blowhole/Imgs/exp1_num_2.png")
    save("MT_Free/Imgs/exp1_num_1.png", black=True)
    (tmp_path / "README.md").write_text("as published")
    assert find_categories(tmp_path) == ["magnetic_tile"]
    assert [(s.path, s.label, s.defect, s.part, s.masks) for s in scan(tmp_path, "magnetic_tile")] == [
        ("MT_Blowhole/Imgs/exp1_num_2.jpg", 1, "blowhole", None, ("MT_Blowhole/Imgs/exp1_num_2.png",)),
        ("MT_Free/Imgs/exp1_num_1.jpg", 0, "good", None, ()),
    ]


def test_the_folder_that_the_archive_unpacks_to_is_named(tmp_path, save) -> None:
    save("tiles-master/MT_Free/Imgs/exp1_num_1.jpg")
    with pytest.raises(DataError, match="expected MT_Free/Imgs/.*; there is one in .*/tiles-master; use that"):
        find_categories(tmp_path)
