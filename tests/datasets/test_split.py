"""Splits: who is on which side, proven by content; the same on every machine."""

import dataclasses
import hashlib
import os
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from datasets.frame import Frame
from datasets.images import Images, load
from datasets.sample import DataError, Sample, Split
from datasets.split import FOLDS, PROTOCOLS, labelled_groups, split


def images_of(*entries: tuple[str, ...], order: int | None = None) -> Images:
    """Undecoded images of (path, defect, part or "", group or "", pixels or ""); the content is the path's hash."""
    rows = []
    for path, defect, part, group, pixels in entries:
        sample = Sample(path, int(defect != "good"), defect, part or None, group or path, masks=(), size_bytes=1)
        rows.append((sample, hashlib.sha256(path.encode()).hexdigest(), pixels or path))
    if order is not None:
        rows = [rows[i] for i in np.random.default_rng(order).permutation(len(rows))]
    samples, content, pixel_hash = zip(*rows, strict=True)
    blank = np.zeros((len(rows), 2, 2, 3), np.uint8)
    sizes = ((2, 2),) * len(rows)
    hashes = content, pixel_hash
    return Images("folder", "cups", Frame(2, 2), blank, None, samples, *hashes, sizes, unreadable=(), data_hash="")


def own_split(train: int, good: int, **defects: int) -> list[tuple[str, ...]]:
    entries = [(f"train/good/{i}", "good", "train", "", "") for i in range(train)]
    entries += [(f"test/good/{i}", "good", "test", "", "") for i in range(good)]
    return entries + [(f"test/{name}/{i}", name, "test", "", "") for name, n in defects.items() for i in range(n)]


def items(count: int, parts: int = 8) -> list[tuple[str, ...]]:
    """KolektorSDD's shape: items of `parts` pictures, one of them defective; 1 = 26 and 27 = 34 in pixels."""
    entries = []
    for i in range(1, count + 1):
        original = {26: 1, 34: 27}.get(i, i)
        for p in range(parts):
            defect = "defect" if p == i % parts else "good"
            entries.append((f"kos{i:02}/Part{p}", defect, "", f"kos{i:02}", f"pixels {original} {p}"))
    return entries


def single_images(good: int, **defects: int) -> list[tuple[str, ...]]:
    """A user's folder: no split, each image by itself."""
    return [(f"{name}/{i}", name, "", "", "") for name, n in {"good": good, **defects}.items() for i in range(n)]


def paths(images: Images, part: np.ndarray) -> set[str]:
    return {images.samples[i].path for i in part}


def kinds(images: Images, part: np.ndarray) -> Counter:
    return Counter(images.samples[i].defect for i in part)


def pixels(images: Images, part: np.ndarray) -> set[str]:
    return {images.pixel_hash[i] for i in part}


def assert_honest(images: Images, parts: Split) -> None:
    """Nothing that trains, chooses or is forged from has the pixels or the group of anything that is tested."""
    for seen in (parts.train, parts.forge, parts.val):
        assert not pixels(images, seen) & pixels(images, parts.test)
        groups = {images.samples[i].group for i in seen}
        assert not groups & {images.samples[i].group for i in parts.test}
    assert not pixels(images, parts.train) & pixels(images, parts.val)
    assert all(images.samples[i].label == 0 for i in (*parts.train, *parts.forge))
    every = [*parts.train, *parts.val, *parts.test, *parts.unused]
    assert sorted(every) == list(range(len(images.samples)))


BOTTLE = own_split(209, 20, broken_large=20, broken_small=22, contamination=21)


def test_holdout_halves_each_kind_of_the_labelled_images_and_trains_on_the_rest() -> None:
    images = images_of(*BOTTLE)
    parts = split(images, "holdout", 0)
    assert_honest(images, parts)
    assert len(parts.train) == 209 and len(parts.forge) == 0 and parts.selection_split == "val"
    val, test = kinds(images, parts.val), kinds(images, parts.test)
    assert val + test == Counter(good=20, broken_large=20, broken_small=22, contamination=21)
    assert all(abs(val[kind] - test[kind]) <= 1 for kind in val | test)


def test_many_kinds_of_one_image_each_do_not_fall_on_one_side() -> None:
    images = images_of(*own_split(10, 5, **{f"kind{i}": 1 for i in range(9)}))
    for seed in range(5):
        parts = split(images, "holdout", seed)
        assert sorted(int(images.labels[part].sum()) for part in (parts.val, parts.test)) == [4, 5]
        assert sorted(kinds(images, part)["good"] for part in (parts.val, parts.test)) == [2, 3]


def test_two_kinds_of_one_image_each_go_to_different_sides_whatever_the_normal_ones_do() -> None:
    for good in (4, 5):
        images = images_of(*own_split(10, good, a=1, z=1))
        parts = split(images, "holdout", 0)
        assert len(kinds(images, parts.val) - kinds(images, parts.test)) >= 1
        assert not {"a", "z"} <= set(kinds(images, parts.test)) and not {"a", "z"} <= set(kinds(images, parts.val))


def test_synthetic_never_lets_a_labelled_test_image_choose() -> None:
    images = images_of(*BOTTLE)
    parts = split(images, "synthetic", 0)
    assert_honest(images, parts)
    assert parts.selection_split == "synthetic"
    assert len(parts.train) == 167 and len(parts.forge) == 42  # a fifth of 209
    np.testing.assert_array_equal(parts.val, parts.forge)
    assert kinds(images, parts.test) == Counter(good=20, broken_large=20, broken_small=22, contamination=21)


def test_paper_says_that_the_test_set_chooses() -> None:
    images = images_of(*BOTTLE)
    parts = split(images, "paper", 0)
    assert parts.selection_split == "test"
    np.testing.assert_array_equal(parts.val, parts.test)
    assert len(parts.test) == 83 and len(parts.train) == 209


@pytest.mark.parametrize("folds", [2, FOLDS, 10])
@pytest.mark.parametrize("entries", [BOTTLE, items(50)], ids=["own split", "items"])
def test_crossfit_deals_all_labelled_images_to_folds_clusters_whole(entries: list[tuple[str, ...]], folds: int) -> None:
    images = images_of(*entries)
    parts = split(images, "crossfit", 0, folds)
    assert parts.selection_split == "other folds" and set(parts.fold) == set(range(folds))
    np.testing.assert_array_equal(parts.val, parts.test)
    np.testing.assert_array_equal(parts.train, split(images, "paper", 0).train)
    for kind, count in kinds(images, parts.val).items():
        by_fold = [kinds(images, parts.val[parts.fold == fold])[kind] for fold in range(folds)]
        assert max(by_fold) - min(by_fold) <= (1 if entries is BOTTLE else count / 4)
    for one in range(folds):
        within, others = parts.val[parts.fold == one], parts.val[parts.fold != one]
        assert not pixels(images, within) & pixels(images, others)
        assert not {images.samples[i].group for i in within} & {images.samples[i].group for i in others}
    other = split(images, "crossfit", 1, folds)
    assert other.hash != parts.hash and not np.array_equal(other.fold, parts.fold)


def test_five_folds_are_fewer_where_there_are_fewer_groups_and_other_numbers_are_refused() -> None:
    images = images_of(*own_split(9, 3, dent=4))
    assert set(split(images, "crossfit", 0).fold) == set(split(images, "crossfit", 0, 4).fold) == set(range(4))
    message = "folder/cups has 3 normal and 4 defective groups of .* fill 4 folds, and --folds 6 is asked for; lower"
    with pytest.raises(DataError, match=message):
        split(images, "crossfit", 0, 6)
    assert len(split(images, "holdout", 0, 6).fold) == 0, "other protocols have no folds"


def test_crossfit_wants_both_kinds_in_two_folds() -> None:
    with pytest.raises(DataError, match="has 1 defective labelled images in one fold; .*until there are 2 or more"):
        split(images_of(*own_split(9, 4, dent=1)), "crossfit", 0)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_training_image_that_is_a_copy_of_a_test_image_never_trains(protocol: str) -> None:
    entries = own_split(20, 8, scratch=8)
    entries += [
        ("train/good/copy of a good one", "good", "train", "", "test/good/3"),
        ("train/good/copy of a defect, labelled good", "good", "train", "", "test/scratch/5"),
        ("train/good/twin a", "good", "train", "", "twins"),
        ("train/good/twin b", "good", "train", "", "twins"),
    ]
    images = images_of(*entries)
    for seed in range(10):
        parts = split(images, protocol, seed)
        assert len(paths(images, parts.unused)) == 2 and all("copy" in path for path in paths(images, parts.unused))
        assert not pixels(images, parts.train) & (pixels(images, parts.val) | pixels(images, parts.test))
        if protocol not in ("paper", "crossfit"):
            assert_honest(images, parts)


def with_validation(defective: int = 0) -> list[tuple[str, ...]]:
    """A dataset that brings 10 validation normals, as MVTec LOCO does, and perhaps some defects among them."""
    entries = own_split(40, 12, cut=8) + [(f"validation/good/{i}", "good", "validation", "", "") for i in range(10)]
    return entries + [(f"validation/cut/{i}", "cut", "validation", "", "") for i in range(defective)]


@pytest.mark.parametrize("protocol", ["holdout", "synthetic", "paper"])
def test_validation_images_that_a_dataset_brings_choose_and_never_train(protocol: str) -> None:
    images = images_of(*with_validation())
    parts = split(images, protocol, 0)
    own = {path for path in paths(images, np.arange(len(images.samples))) if path.startswith("validation")}
    assert len(parts.train) == 40 and own <= paths(images, parts.val) and not own & paths(images, parts.test)
    assert paths(images, parts.forge) == (own if protocol == "synthetic" else set())
    assert {"holdout": 20, "synthetic": 10, "paper": 30}[protocol] == len(parts.val)
    assert {"holdout": 10, "synthetic": 20, "paper": 20}[protocol] == len(parts.test)
    assert len(parts.unused) == 0


def test_validation_images_are_left_out_where_what_chooses_is_judged() -> None:
    images = images_of(*with_validation())
    parts = split(images, "crossfit", 0)
    assert len(parts.train) == 40 and len(parts.val) == len(parts.test) == 20
    assert all(path.startswith("validation") for path in paths(images, parts.unused)) and len(parts.unused) == 10


def test_validation_defects_choose_too_but_under_synthetic_which_does_without_any() -> None:
    images = images_of(*with_validation(defective=2))
    chosen_on = [kinds(images, split(images, protocol, 0).val)["cut"] for protocol in ("holdout", "synthetic", "paper")]
    assert chosen_on == [6, 0, 10]
    assert kinds(images, split(images, "synthetic", 0).unused) == Counter(cut=2)


@pytest.mark.parametrize("protocol", ["holdout", "synthetic", "paper"])
def test_a_validation_image_gives_way_to_its_copy_in_the_test_part_and_outdoes_one_in_train(protocol: str) -> None:
    copies = [
        ("train/good/copy", "good", "train", "", "validation/good/3"),
        ("validation/good/copy", "good", "validation", "", "test/good/5"),
    ]
    images = images_of(*with_validation(), *copies)
    parts = split(images, protocol, 0)
    assert paths(images, parts.unused) == {"train/good/copy", "validation/good/copy"}
    if protocol != "paper":
        assert_honest(images, parts)


def test_copies_within_the_labelled_images_stay_together() -> None:
    entries = own_split(10, 8, scratch=8)
    entries += [(f"test/good/copy {i}", "good", "test", "", f"test/good/{i}") for i in range(6)]
    images = images_of(*entries)
    for seed in range(10):
        assert_honest(images, split(images, "holdout", seed))


def test_ties_are_transitive_over_groups_and_pixels() -> None:
    """item a - (pixels) - item b - (pixels) - item c: one cluster, though a and c share nothing."""
    entries = items(12, parts=4)
    entries += [("a/0", "good", "", "a", "p"), ("b/0", "good", "", "b", "p"), ("b/1", "good", "", "b", "q")]
    entries += [("c/0", "good", "", "c", "q"), ("c/1", "defect", "", "c", "r")]
    images = images_of(*entries)
    for seed in range(10):
        parts = split(images, "holdout", seed)
        sides = [
            {images.samples[i].group for i in part} & {"a", "b", "c"}
            for part in (np.concatenate([parts.train, parts.unused]), parts.val, parts.test)
        ]
        assert sorted(map(len, sides)) == [0, 0, 3]


def test_items_are_never_divided_and_copied_items_stay_on_one_side() -> None:
    images = images_of(*items(50))
    for seed in range(5):
        parts = split(images, "holdout", seed)
        assert_honest(images, parts)
        side = {images.samples[i].group: name for name in ("train", "val", "test") for i in getattr(parts, name)}
        assert side["kos01"] == side["kos26"] and side["kos27"] == side["kos34"]
        assert len(side) == 50
        counts = Counter(side.values())
        assert abs(counts["train"] - 25) <= 2 and abs(counts["val"] - 12.5) <= 2.5 and abs(counts["test"] - 12.5) <= 2.5
        assert kinds(images, parts.unused) == Counter(defect=counts["train"])  # a training item's defects


def test_items_under_synthetic_train_on_no_item_that_holdout_would_test() -> None:
    images = images_of(*items(50))
    holdout, synthetic = split(images, "holdout", 0), split(images, "synthetic", 0)
    assert_honest(images, synthetic)
    assert {*synthetic.train, *synthetic.forge} == set(holdout.train)
    assert set(synthetic.test) == {*holdout.val, *holdout.test}
    groups = [{images.samples[i].group for i in part} for part in (synthetic.train, synthetic.forge)]
    assert not groups[0] & groups[1]


def test_single_images_without_a_split_are_dealt_by_what_they_are() -> None:
    images = images_of(*single_images(40, dent=5, scratch=5))
    parts = split(images, "holdout", 0)
    assert_honest(images, parts)
    assert len(parts.unused) == 0
    assert [kinds(images, part)["good"] for part in (parts.train, parts.val, parts.test)] == [20, 10, 10]
    val, test = kinds(images, parts.val), kinds(images, parts.test)
    assert all(abs(val[kind] - test[kind]) == 1 for kind in ("dent", "scratch"))
    assert val["dent"] + val["scratch"] == 5


@pytest.mark.parametrize("entries", [BOTTLE, items(50)], ids=["own split", "items"])
@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_the_order_and_the_names_of_files_decide_nothing(entries: list[tuple[str, ...]], protocol: str) -> None:
    images = images_of(*entries)
    moved = dataclasses.replace(
        shuffled := images_of(*entries, order=1),
        samples=tuple(dataclasses.replace(sample, path=f"elsewhere/{sample.path}") for sample in shuffled.samples),
    )
    one, other = split(images, protocol, 3), split(moved, protocol, 3)
    assert one.hash == other.hash
    assert dict(zip((images.content[i] for i in one.val), one.fold, strict=False)) == dict(
        zip((moved.content[i] for i in other.val), other.fold, strict=False)
    )
    for part in ("train", "val", "test", "forge", "unused"):
        assert {images.content[i] for i in getattr(one, part)} == {moved.content[i] for i in getattr(other, part)}


@pytest.mark.parametrize("protocol", ["holdout", "synthetic"])
def test_another_seed_gives_another_split(protocol: str) -> None:
    images = images_of(*BOTTLE)
    assert len({split(images, protocol, seed).hash for seed in range(5)}) == 5


def test_the_split_of_a_seed_is_this_one_on_every_machine() -> None:
    """Worked out once; a change of the ordering or of the dealing makes all recorded splits incomparable."""
    images = images_of(*own_split(3, 4, dent=4))
    parts = split(images, "holdout", 0)
    assert paths(images, parts.val) == {"test/dent/1", "test/dent/2", "test/good/1", "test/good/3"}
    assert parts.hash == "4c6f99bb1c237544c3bb910ae957023fd38e554ca6ca5cbb6c7f2db90773c38e"


@pytest.mark.parametrize(
    ("entries", "protocol", "message"),
    [
        (own_split(9, 4, dent=1), "holdout", "13 normal and 1 defective images; the validation .*got no defective one"),
        (own_split(9, 4), "holdout", "0 defective images; .* add defective images .* \\(--protocol synthetic"),
        (own_split(9, 4), "paper", "0 defective images; .* got no defective one"),
        (own_split(9, 4), "synthetic", "the test part of protocol synthetic got no defective one, .*; add defective"),
        (own_split(9, 1, dent=4), "holdout", "the validation part of protocol holdout got no normal one, .*add normal"),
        (own_split(9, 0, dent=4), "synthetic", "the test part of protocol synthetic got no normal one"),
        (own_split(1, 4, dent=4), "synthetic", "the train part of protocol synthetic got no normal one"),
        (single_images(2, dent=1), "holdout", "the validation part of protocol holdout got no normal one"),
    ],
)
def test_too_few_images_for_a_part_says_which_and_what_to_do(entries: list, protocol: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as caught:
        split(images_of(*entries), protocol, 0)
    assert "\n" not in str(caught.value) and "folder/cups has" in str(caught.value)


@pytest.mark.parametrize(
    ("before", "protocol", "cure", "after"),
    [
        (
            own_split(20, 0, dent=4),
            "holdout",
            "normal images in test/good, until there are 2",
            own_split(20, 2, dent=4),
        ),
        (own_split(20, 0, dent=4), "paper", "normal images in test/good, until there are 1", own_split(20, 1, dent=4)),
        (
            own_split(1, 4, dent=4),
            "synthetic",
            "normal images in train/good, until there are 2",
            own_split(2, 4, dent=4),
        ),
        (own_split(9, 4), "holdout", "defective images in test/<defect>, until there are 2", own_split(9, 4, dent=2)),
        (own_split(9, 4), "synthetic", "defective images in test/<defect>, until there are 1", own_split(9, 4, dent=1)),
        (single_images(2, dent=2), "holdout", "normal images in good, until there are 4", single_images(4, dent=2)),
        (single_images(2, dent=2), "synthetic", "normal images in good, until there are 4", single_images(4, dent=2)),
        (single_images(9), "holdout", "defective images in <defect>, until there are 2", single_images(9, dent=2)),
    ],
)
def test_what_to_add_is_said_with_its_folder_and_is_enough(before, protocol, cure, after) -> None:
    with pytest.raises(DataError, match=f"add {cure} or more that are no copies"):
        split(images_of(*before), protocol, 0)
    split(images_of(*after), protocol, 0)


@pytest.mark.parametrize(
    ("entries", "protocol"),
    [
        (own_split(1, 2, dent=2), "holdout"),
        (own_split(2, 1, dent=1), "synthetic"),
        (own_split(1, 1, dent=1), "paper"),
        (single_images(3, dent=2), "holdout"),
    ],
)
def test_the_fewest_images_that_each_protocol_can_do_with(entries: list, protocol: str) -> None:
    images = images_of(*entries)
    parts = split(images, protocol, 0)
    assert min(len(parts.train), len(parts.val), len(parts.test)) >= 1


def test_an_unknown_protocol_names_the_known_ones() -> None:
    with pytest.raises(DataError, match="no protocol 'hold-out'; there are: holdout, synthetic, paper, crossfit"):
        split(images_of(*BOTTLE), "hold-out", 0)


REAL = os.environ.get("DEFECTSWEEP_TEST_DATA")
needs_real_data = pytest.mark.skipif(
    REAL is None, reason="set DEFECTSWEEP_TEST_DATA to a folder that holds mvtec_ad/ and kolektor_sdd/"
)


@needs_real_data
def test_the_real_kolektor_sdd_has_two_items_twice_and_they_stay_together() -> None:
    images = load("kolektor_sdd", REAL, "kolektor_sdd", Frame(32, 32))
    assert len(images.samples) == 399 and int(images.labels.sum()) == 52
    for seed in range(10):
        parts = split(images, "holdout", seed)
        assert_honest(images, parts)
        side = {images.samples[i].group: name for name in ("train", "val", "test") for i in getattr(parts, name)}
        assert side["kos01"] == side["kos26"] and side["kos27"] == side["kos34"]
        assert_honest(images, split(images, "synthetic", seed))


@needs_real_data
@pytest.mark.parametrize(("category", "train", "labelled"), [("bottle", 209, 83), ("transistor", 213, 100)])
def test_the_real_mvtec_ad_is_split_as_its_test_part_allows(category: str, train: int, labelled: int) -> None:
    if not (Path(REAL) / "mvtec_ad" / category).is_dir():
        pytest.skip(f"no {category} in DEFECTSWEEP_TEST_DATA")
    images = load("mvtec_ad", REAL, category, Frame(32, 32))
    parts = split(images, "holdout", 0)
    assert_honest(images, parts)
    assert len(parts.train) == train and len(parts.val) + len(parts.test) == labelled
    val, test = kinds(images, parts.val), kinds(images, parts.test)
    assert all(abs(val[kind] - test[kind]) <= 1 for kind in val | test)


@pytest.mark.parametrize(
    "entries",
    [own_split(6, 5, dent=3, cut=4), single_images(12, dent=4), single_images(3), items(20)],
    ids=["own split", "folder", "good alone", "items"],
)
def test_what_may_choose_and_be_tested_is_known_before_anything_is_decoded(entries: list) -> None:
    images = images_of(*entries)
    for label in (0, 1):
        if any(sample.label for sample in images.samples):
            found = split(images, "holdout", 0)
            labelled = {images.samples[i].group for i in (*found.val, *found.test) if images.samples[i].label == label}
            assert labelled_groups(images.samples, label) == len(labelled)
    if not any(sample.label for sample in images.samples):
        assert [labelled_groups(images.samples, label) for label in (0, 1)] == [1, 0]
