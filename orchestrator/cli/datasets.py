"""`datasets`: what there are, what one's files hold, or the synthetic one as files."""

from collections import Counter
from pathlib import Path

from datasets.catalog import DATASETS
from datasets.frame import Frame
from datasets.readers.synthetic import write_files
from orchestrator.display.tables import print_table
from orchestrator.errors import InputError, choice
from orchestrator.experiment import cues, preflight
from orchestrator.experiment.config import Execution, Experiment
from orchestrator.experiment.job import Decoding, jobs
from orchestrator.words import printable

CHECKED = Frame(32, 32)  # small, as only whether a picture can be read is of interest


def main(asked) -> int:
    """Lists, checks or makes."""
    if asked.action is None:
        _list()
    elif asked.action == "check":
        _check(asked.name, asked.data_root)
    else:
        _make(asked.name, asked.data_root, asked.size_px)
    return 0


def _make(name: str | None, data_root: str | None, size_px: int) -> None:
    if name != "synthetic" or data_root is None:
        raise InputError("datasets make: 'datasets make synthetic --data-root DIR' is expected.")
    write_files(Path(data_root).expanduser(), size_px)
    print(f"wrote the synthetic dataset to {data_root}; use it with --dataset mvtec_ad or --dataset folder")


def _list() -> None:
    """Prints what datasets there are."""
    rows = [
        [d.name, d.description, len(d.categories) or "yours", "none" if not d.needs_root else "--data-root", d.source]
        for d in DATASETS.values()
    ]
    print_table(["dataset", "what", "categories", "files", "source"], rows)


def _check(name: str | None, data_root: str | None) -> None:
    """Scans and decodes a tree, and prints what it holds. Raises InputError for what is wrong with it."""
    choice("dataset", name or "", list(DATASETS))
    experiment = Experiment(dataset=(name,))
    rows, findings = [], []
    categories = preflight.survey(experiment, data_root)
    preflight.check_names(jobs(experiment, categories, workers=1))
    for category in categories:
        decoded = preflight.decode([Decoding(category, CHECKED)], experiment, Execution())
        images = next(iter(decoded.values()))
        findings += cues.find([images])
        defects = Counter(sample.defect for sample in images.samples if sample.label)
        normal = sum(sample.label == 0 for sample in images.samples)
        copies = len(images.samples) - len(set(images.pixel_hash))
        listed = ", ".join(f"{defect} {count}" for defect, count in sorted(defects.items()))
        rows.append(
            [category.name, normal, sum(defects.values()), "yes" if images.masks is not None else "no", copies, listed]
        )
    print_table(["category", "normal", "defective", "masks", "pixel-identical copies", "defects"], rows)
    print("\nevery image can be read, and every category can be split by protocol holdout")
    for finding in findings:
        print(printable(str(finding)))
