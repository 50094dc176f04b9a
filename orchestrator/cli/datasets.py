"""`datasets`: what there are, what one's files hold (datasets_check.py), or a generated one as files."""

from pathlib import Path

from datasets.catalog import DATASETS
from datasets.readers import synthetic, synthetic_long
from orchestrator.cli import datasets_check
from orchestrator.display.tables import print_table
from orchestrator.errors import InputError

MADE = {"synthetic": synthetic.DEFECTS, "synthetic_long": synthetic_long.DEFECTS}
WRITTEN_PX = 256  # side of the images that are made


def main(asked) -> int:
    """Lists, checks or makes."""
    if asked.action == "check":
        return datasets_check.main(asked)
    if asked.action is None:
        _list()
    else:
        _make(asked.name, asked.data_root, asked.size_px or WRITTEN_PX)
    return 0


def _make(name: str | None, data_root: str | None, size_px: int) -> None:
    if name not in MADE or data_root is None:
        names = ", ".join(MADE)
        raise InputError(f"datasets make: 'datasets make NAME --data-root DIR' is expected, NAME one of {names}.")
    synthetic.write_files(Path(data_root).expanduser(), size_px, MADE[name])
    print(f"wrote the dataset {name} to {data_root}; use it with --dataset mvtec_ad or --dataset folder")


def _list() -> None:
    """Prints what datasets there are."""
    rows = [
        [
            d.name,
            d.description,
            len(d.categories) or "yours",
            sum(map(sum, d.counts.values())) or "",
            "--data-root" if d.needs_root else "none",
            d.source,
        ]
        for d in DATASETS.values()
    ]
    print_table(["dataset", "what", "categories", "images", "files", "source"], rows, numbers={"images"})
