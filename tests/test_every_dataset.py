"""What every entry of the catalogue promises, on a small tree of its layout."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from datasets.catalog import DATASETS, find_dataset
from datasets.frame import Frame
from datasets.images import load
from datasets.sample import DataError
from datasets.split import PROTOCOLS, split


def save(path: Path, seed: int, black: bool = False) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    levels = np.random.default_rng(seed).integers(1, 255, size=(24, 18), dtype=np.uint8)
    Image.fromarray(levels * (not black)).save(path)


def make(root: Path, **counts: int) -> None:
    """So many pictures in each folder, which is named with __ for /; those of ground_truth are masks."""
    for number, (name, count) in enumerate(counts.items()):
        for i in range(count):
            suffix = "_mask" if "ground_truth" in name else ""
            save(root / name.replace("__", "/") / f"{i}{suffix}.png", seed=100 * number + i)


def make_mvtec_ad(root: Path) -> None:
    make(root / "cable", train__good=10, test__good=4, test__cut=4, ground_truth__cut=4)


def make_mpdd(root: Path) -> None:
    make(root / "tubes", train__good=10, test__good=4, test__anomalous=4, ground_truth__anomalous=4)


def make_btad(root: Path) -> None:
    make(root / "01", train__ok=10, test__ok=4, test__ko=4, ground_truth__ko=4)


def make_mvtec_ad_2(root: Path) -> None:
    counts = dict(train__good=10, validation__good=3, test_public__good=4, test_public__bad=4, test_private=2)
    make(root / "vial", **counts, test_public__ground_truth__bad=4)


def make_mvtec_loco(root: Path) -> None:
    kinds = ("logical_anomalies", "structural_anomalies")
    make(root / "pushpins", train__good=10, validation__good=3, test__good=4, **{f"test__{kind}": 4 for kind in kinds})
    for kind in kinds:
        for i in range(4):
            for part in range(1 + i % 2):
                save(root / f"pushpins/ground_truth/{kind}/{i}/{part:03}.png", seed=part)


def make_visa(root: Path) -> None:
    lines = ["object,split,label,image,mask"]
    for split_name, label, count in (("train", "normal", 10), ("test", "normal", 4), ("test", "anomaly", 4)):
        for i in range(count):
            image = f"candle/Data/Images/{label.title()}/{split_name}{i}.JPG"
            mask = f"candle/Data/Masks/Anomaly/{split_name}{i}.png" if label == "anomaly" else ""
            save(root / image, seed=len(lines))
            if mask:
                save(root / mask, seed=1000 + i)
            lines.append(f"candle,{split_name},{label},{image},{mask}")
    (root / "split_csv").mkdir()
    (root / "split_csv/1cls.csv").write_text("\n".join(lines))


def make_kolektor_sdd(root: Path) -> None:
    for item in range(8):
        for part in range(3):
            save(root / f"kos{item:02}/Part{part}.png", seed=3 * item + part)
            save(root / f"kos{item:02}/Part{part}_label.bmp", seed=0, black=part != 1)


def make_kolektor_sdd2(root: Path) -> None:
    for part, first, count in (("train", 10000, 10), ("test", 20000, 8)):
        for number in range(first, first + count):
            save(root / f"{part}/{number}.png", seed=number)
            save(root / f"{part}/{number}_GT.png", seed=0, black=bool(number % 2))


def make_magnetic_tile(root: Path) -> None:
    for kind, count in (("Free", 12), ("Blowhole", 4), ("Fray", 2)):
        for i in range(count):
            save(root / f"MT_{kind}/Imgs/exp1_num_{i}.jpg", seed=100 * len(kind) + i)
            save(root / f"MT_{kind}/Imgs/exp1_num_{i}.png", seed=i, black=kind == "Free")


def make_manifest(root: Path) -> None:
    make(root / "line 3", ok=12, not_ok=4, ground_truth=4)
    lines = [f"line 3/ok/{i}.png,good," for i in range(12)]
    lines += [f"line 3/not_ok/{i}.png,bad,line 3/ground_truth/{i}_mask.png" for i in range(4)]
    (root / "manifest.csv").write_text("\n".join(["path,label,mask", *lines]))


def make_folder(root: Path) -> None:
    make(root / "cups", good=12, dent=12)


TREES: dict[str, Callable[[Path], None]] = {
    "synthetic": lambda root: None,
    "btad": make_btad,
    "folder": make_folder,
    "kolektor_sdd": make_kolektor_sdd,
    "kolektor_sdd2": make_kolektor_sdd2,
    "magnetic_tile": make_magnetic_tile,
    "manifest": make_manifest,
    "mpdd": make_mpdd,
    "mvtec_ad": make_mvtec_ad,
    "mvtec_ad_2": make_mvtec_ad_2,
    "mvtec_loco": make_mvtec_loco,
    "synthetic_long": lambda root: None,
    "visa": make_visa,
}


@pytest.fixture(params=sorted(DATASETS))
def dataset(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    TREES[request.param](tmp_path)
    return request.param, str(tmp_path)


def test_scan_lists_sorted_samples_with_normals_to_train_on(dataset: tuple[str, str]) -> None:
    name, root = dataset
    for category in DATASETS[name].find_categories(root):
        samples = DATASETS[name].scan(root, category)
        names = [sample.path for sample in samples]
        assert names == sorted(set(names)) and not any("\\" in path for path in names)
        assert all((sample.label == 0) == (sample.defect == "good") for sample in samples)
        assert any(sample.label == 0 and sample.part in ("train", None) for sample in samples)
        assert samples == DATASETS[name].scan(root, category)


def test_every_category_is_decoded_and_split_under_every_protocol(dataset: tuple[str, str]) -> None:
    name, root = dataset
    for category in DATASETS[name].find_categories(root):
        images = load(name, root, category, Frame(16, 16))
        count = len(images.samples)
        assert images.pixels.shape == (count, 16, 16, 3) and images.pixels.dtype == np.uint8
        assert len(images.content) == len(images.pixel_hash) == count
        if images.masks is not None:
            assert len(images.masks) == count
            for i, size in enumerate(images.native_sizes):
                assert images.masks[i].shape == size and images.masks[i].dtype == bool
                assert images.masks[i].any() == images.labels[i]
        assert (images.masks is None) == (name == "folder")
        for protocol in PROTOCOLS:
            parts = split(images, protocol, 0)
            assert not images.labels[parts.train].any()
            assert set(images.labels[parts.test]) == {0, 1}
            assert not set(parts.train) & {*parts.val, *parts.test}


def test_an_unknown_category_is_one_line_that_names_those_that_exist(dataset: tuple[str, str]) -> None:
    name, root = dataset
    with pytest.raises(DataError, match="has no category 'teapots'.*there are: ") as caught:
        DATASETS[name].scan(root, "teapots")
    assert all(category in str(caught.value) for category in DATASETS[name].find_categories(root))


@pytest.mark.parametrize("name", [name for name in DATASETS if DATASETS[name].needs_root])
def test_a_missing_root_is_one_line_that_names_it(name: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="gone does not exist; expected a folder of images; check --data-root"):
        find_dataset(name).find_categories(tmp_path / "gone")


def test_the_catalogue_is_keyed_by_name() -> None:
    assert all(dataset.name == name and dataset.description and dataset.source for name, dataset in DATASETS.items())
