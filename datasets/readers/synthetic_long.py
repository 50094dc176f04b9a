"""Generated long parts, two and a half times as high as wide, as KolektorSDD's are: to compare the fits on. Needs no
files; drawn as synthetic.py says. A dataset of its own, so that a sweep of `synthetic` stays as short as it was.
"""

from pathlib import Path

from datasets.readers import synthetic
from datasets.readers.synthetic_blade import TALL
from datasets.sample import Sample
from datasets.tree import require_category

ASPECT = 1 / TALL  # width / height of its pictures

DEFECTS: dict[str, tuple[str, ...]] = {"blade": ("crack", "rust", "tooth")}
CATEGORIES: tuple[str, ...] = tuple(DEFECTS)

read = synthetic.read


def find_categories(root: str | Path | None = None) -> list[str]:
    """The long product, whatever the root: there are no files."""
    return list(CATEGORIES)


def scan(root: str | Path | None, category: str) -> list[Sample]:
    """The samples of one category, sorted by path. Raises DataError for a category that does not exist."""
    require_category("synthetic_long", Path(), category, list(CATEGORIES))
    return synthetic.list_samples(category, DEFECTS[category])
