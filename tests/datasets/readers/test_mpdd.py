"""MPDD: MVTec AD's layout under its own name."""

import pytest

from datasets.readers.mpdd import CATEGORIES, COUNTS, find_categories, scan
from datasets.sample import DataError


def test_it_is_read_as_mvtec_ad_is(tmp_path, save) -> None:
    save("tubes/train/good/000.png", "tubes/test/anomalous/000.png", "tubes/ground_truth/anomalous/000_mask.png")
    assert find_categories(tmp_path) == ["tubes"]
    assert [(s.defect, s.part, len(s.masks)) for s in scan(tmp_path, "tubes")] == [
        ("anomalous", "test", 1), ("good", "train", 0),
    ]  # fmt: skip


def test_its_errors_are_its_own(tmp_path) -> None:
    with pytest.raises(DataError, match="is empty; expected what MPDD.zip unpacks to"):
        find_categories(tmp_path)
    (tmp_path / "x").mkdir()
    with pytest.raises(DataError, match="no MPDD category in .*, only: x; expected CATEGORY/train/good"):
        find_categories(tmp_path)


def test_the_published_counts_add_up() -> None:
    assert len(CATEGORIES) == 6 and sum(map(sum, COUNTS.values())) == 1346
