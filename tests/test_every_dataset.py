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


def make_mvtec_ad(root: Path) -> None:
    for name, count in (("train/good", 10), ("test/good", 4), ("test/cut", 4), ("ground_truth/cut", 4)):
        for i in range(count):
            save(root / "cable" / name / f"{i}{'_mask' if 'truth' in name else ''}.png", seed=100 * len(name) + i)


def make_kolektor_sdd(root: Path) -> None:
    for item in range(8):
        for part in range(3):
            save(root / f"kos{item:02}/Part{part}.png", seed=3 * item + part)
            save(root / f"kos{item:02}/Part{part}_label.bmp", seed=0, black=part != 1)


def make_folder(root: Path) -> None:
    for i in range(12):
        save(root / f"cups/good/{i}.png", seed=i)
        save(root / f"cups/dent/{i}.png", seed=100 + i)


TREES: dict[str, Callable[[Path], None]] = {
    "synthetic": lambda root: None,
    "mvtec_ad": make_mvtec_ad,
    "kolektor_sdd": make_kolektor_sdd,
    "folder": make_folder,
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
