"""The catalogue of datasets: one entry a dataset, found by name."""

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType

from datasets import mirror, picture, remarks
from datasets.aspect import median_aspect
from datasets.frame import Frame
from datasets.picture import Picture
from datasets.readers import (
    btad,
    folder,
    kolektor_sdd,
    kolektor_sdd2,
    magnetic_tile,
    manifest,
    mpdd,
    mvtec_ad,
    mvtec_ad_2,
    mvtec_loco,
    synthetic,
    synthetic_long,
    visa,
)
from datasets.sample import DataError, Sample
from datasets.tree import nearest_first


@dataclass(frozen=True)
class Dataset:
    """How to list and to read one dataset's images."""

    name: str
    description: str
    source: str  # licence and where it comes from
    needs_root: bool  # False: its images are generated
    categories: tuple[str, ...]  # as published; empty where they are the user's own
    list_categories: Callable[[Path], list[str]]
    list_samples: Callable[[Path, str], list[Sample]]
    read: Callable[[Path, Sample, Frame], Picture]  # (home, sample, frame)
    counts: Mapping[str, tuple[int, int]]  # by category: normal and defective images, as published; {} where unknown
    own_folder: Callable[[Path, str], Path] | None = None  # (root, category), where people lay out theirs themselves
    drawn_aspect: float = 1.0  # width / height of pictures that are generated

    def home(self, root: str | Path | None) -> Path:
        """The folder that samples' paths are relative to. Raises DataError if it needs a root and there is none."""
        place = self._place(root)
        return place.parent if place.is_file() else place

    def _place(self, root: str | Path | None) -> Path:
        """The dataset's folder, or its list: `root`, or `root/<name>` where that exists, so that one root can hold
        several."""
        if not self.needs_root:
            return Path()
        if root is None:
            raise DataError(f"dataset {self.name} lies in files, and no folder was given; expected --data-root DIR")
        expanded = mirror.local(root) if mirror.is_uri(root) else Path(root).expanduser()
        own = expanded / self.name
        return own if self.categories and own.is_dir() else expanded

    def find_categories(self, root: str | Path | None) -> list[str]:
        """Names of the categories under `root`, sorted. Raises DataError if there is none."""
        return self.list_categories(self._place(root))

    def scan(self, root: str | Path | None, category: str) -> list[Sample]:
        """The category's samples, sorted by path. Raises DataError if it does not exist or has no normal image."""
        return self.list_samples(self._place(root), category)

    def remarks(self, root: str | Path | None, category: str, samples: Sequence[Sample]) -> list[str]:
        """What to know of a category that was scanned."""
        if category in self.counts:
            return remarks.of_counts(samples, self.counts[category])
        if self.categories:
            return []
        home = self.home(root)
        folders = remarks.of_folders(home, self.own_folder(home, category), samples) if self.own_folder else []
        return [*folders, *remarks.of_pages(home, samples)]

    def aspect(self, root: str | Path | None, samples: Sequence[Sample]) -> float:
        """Width / height of a category's pictures, in general."""
        return median_aspect(self.home(root), samples) if self.needs_root else self.drawn_aspect


def _of_files(name: str, reader: ModuleType, description: str, source: str) -> Dataset:
    """A dataset of picture files, which `reader` lists."""
    return Dataset(
        name=name,
        description=description,
        source=source,
        needs_root=True,
        categories=reader.CATEGORIES,
        list_categories=reader.find_categories,
        list_samples=reader.scan,
        read=picture.read,
        counts=getattr(reader, "COUNTS", {}),
        own_folder=getattr(reader, "category_folder", None),
    )


def _generated(name: str, reader: ModuleType, description: str, aspect: float) -> Dataset:
    """A dataset that is drawn when it is read."""
    return Dataset(
        name=name,
        description=f"{description} with defects and masks; embedded, needs no files",
        source=f"drawn by datasets/readers/{name}.py",
        needs_root=False,
        categories=reader.CATEGORIES,
        list_categories=reader.find_categories,
        list_samples=reader.scan,
        read=reader.read,
        counts=synthetic.counts(reader.DEFECTS),
        drawn_aspect=aspect,
    )


_NC = "CC BY-NC-SA 4.0"
FOLDER = "folder"
DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        _generated("synthetic", synthetic, "generated products", aspect=1.0),
        _generated("synthetic_long", synthetic_long, "generated long parts", synthetic_long.ASPECT),
        _of_files("btad", btad, "industrial products, own split, masks", "CC BY-SA 4.0; Mishra et al., ISIE 2021"),
        _of_files(FOLDER, folder, "your own images: good/ and any other folder as a defect", "yours"),
        _of_files("kolektor_sdd", kolektor_sdd, "cracks in 50 commutators, masks", f"{_NC}; Tabernik et al., JIM 2020"),
        _of_files("kolektor_sdd2", kolektor_sdd2, "a surface, own split, masks", f"{_NC}; Bozic et al., 2021"),
        _of_files("magnetic_tile", magnetic_tile, "5 kinds of defects, masks", "free to use; Huang et al., 2020"),
        _of_files("manifest", manifest, "your own images, as a CSV or Parquet file lists them", "yours"),
        _of_files("mpdd", mpdd, "metal parts, own split, masks", f"{_NC}; Jezek et al., ICUMT 2021"),
        _of_files("mvtec_ad", mvtec_ad, "objects and textures, own split, masks", f"{_NC}; Bergmann et al., CVPR 2019"),
        _of_files("mvtec_ad_2", mvtec_ad_2, "harder objects, own split, masks", f"{_NC}; Heckler-Kram et al., 2025"),
        _of_files("mvtec_loco", mvtec_loco, "logical defects too, own split", f"{_NC}; Bergmann et al., IJCV 2022"),
        _of_files("visa", visa, "objects, own split, masks", "CC BY 4.0; Zou et al., ECCV 2022"),
    )
}


def find_dataset(name: str, normal_folder: str | None = None) -> Dataset:
    """The dataset of that name; of FOLDER, good images lie in folders called `normal_folder`, if given. Raises
    DataError, which names the nearest ones."""
    if name not in DATASETS:
        raise DataError(f"no dataset {name!r}; there are: {', '.join(nearest_first(name, DATASETS))}; check --dataset")
    dataset = DATASETS[name]
    if name != FOLDER or normal_folder is None:
        return dataset
    readers = {field: getattr(dataset, field) for field in ("list_categories", "list_samples", "own_folder")}
    named = {field: partial(reader, normal_folder=normal_folder) for field, reader in readers.items()}
    return dataclasses.replace(dataset, **named)
