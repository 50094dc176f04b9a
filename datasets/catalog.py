"""The catalogue of datasets: one entry a dataset, found by name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from datasets import picture
from datasets.aspect import median_aspect
from datasets.frame import Frame
from datasets.picture import Picture
from datasets.readers import folder, kolektor_sdd, mvtec_ad, synthetic
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

    def home(self, root: str | Path | None) -> Path:
        """The dataset's folder: `root`, or `root/<name>` where that exists, so that one root can hold several. Raises
        DataError if it needs a root and there is none."""
        if not self.needs_root:
            return Path()
        if root is None:
            raise DataError(f"dataset {self.name} lies in files, and no folder was given; expected --data-root DIR")
        expanded = Path(root).expanduser()
        own = expanded / self.name
        return own if self.categories and own.is_dir() else expanded

    def find_categories(self, root: str | Path | None) -> list[str]:
        """Names of the categories under `root`, sorted. Raises DataError if there is none."""
        return self.list_categories(self.home(root))

    def scan(self, root: str | Path | None, category: str) -> list[Sample]:
        """The category's samples, sorted by path. Raises DataError if it does not exist or has no normal image."""
        return self.list_samples(self.home(root), category)

    def aspect(self, root: str | Path | None, samples: Sequence[Sample]) -> float:
        """Width / height of a category's pictures, in general; those that are drawn are square."""
        return median_aspect(self.home(root), samples) if self.needs_root else 1.0


DATASETS: dict[str, Dataset] = {
    dataset.name: dataset
    for dataset in (
        Dataset(
            name="synthetic",
            description="generated products with defects and masks; embedded, needs no files",
            source="drawn by datasets/readers/synthetic.py",
            needs_root=False,
            categories=synthetic.CATEGORIES,
            list_categories=synthetic.find_categories,
            list_samples=synthetic.scan,
            read=synthetic.read,
        ),
        Dataset(
            name="mvtec_ad",
            description="15 industrial objects and textures, own train/test split, masks",
            source="CC BY-NC-SA 4.0; Bergmann et al., CVPR 2019",
            needs_root=True,
            categories=mvtec_ad.CATEGORIES,
            list_categories=mvtec_ad.find_categories,
            list_samples=mvtec_ad.scan,
            read=picture.read,
        ),
        Dataset(
            name="kolektor_sdd",
            description="cracks on electrical commutators, 399 images of 50 items, masks",
            source="CC BY-NC-SA 4.0; Tabernik et al., JIM 2020",
            needs_root=True,
            categories=kolektor_sdd.CATEGORIES,
            list_categories=kolektor_sdd.find_categories,
            list_samples=kolektor_sdd.scan,
            read=picture.read,
        ),
        Dataset(
            name="folder",
            description="your own images: good/ and any other folder as a defect, with or without train/test and masks",
            source="yours",
            needs_root=True,
            categories=folder.CATEGORIES,
            list_categories=folder.find_categories,
            list_samples=folder.scan,
            read=picture.read,
        ),
    )
}


def find_dataset(name: str) -> Dataset:
    """The dataset of that name. Raises DataError, which names the nearest ones."""
    if name not in DATASETS:
        raise DataError(f"no dataset {name!r}; there are: {', '.join(nearest_first(name, DATASETS))}; check --dataset")
    return DATASETS[name]
