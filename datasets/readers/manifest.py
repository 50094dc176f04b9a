"""A list of pictures, for whatever layout no other reader knows: a .csv or .parquet file with a line for each.

| column | |
|---|---|
| path | of the picture |
| label | 0 or good, 1 or bad |
| category | optional; without it, all pictures are of one, named after the file |
| split | optional: train, validation or test, for all or for none |
| defect | optional: the kind of defect of a bad one |
| mask | optional: path of its mask |
| group | optional: pictures of one group, such as one item, stay on one side of every split |

The data root is that file, or a folder with one named manifest.csv or manifest.parquet in it. Paths are relative to the
file's folder.
"""

import csv
from collections import Counter
from pathlib import Path

from datasets.class_folders import finish_category
from datasets.sample import DataError, Sample
from datasets.tree import nearest_first, open_root, require_category

CATEGORIES: tuple[str, ...] = ()
NAMES = ("manifest.csv", "manifest.parquet")
REQUIRED, OPTIONAL = ("path", "label"), ("category", "split", "defect", "mask", "group")
LABELS = {"0": 0, "good": 0, "1": 1, "bad": 1}
PARTS = ("train", "validation", "test")
Line = dict[str, str]  # by column; "" where nothing is said


def find_categories(root: str | Path) -> list[str]:
    """Names of the categories in the list, sorted. Raises DataError unless there is such a list."""
    file = _file(root)
    return sorted({_category(file, line) for line in _lines(file)})


def scan(root: str | Path, category: str) -> list[Sample]:
    """The samples of one category, sorted by path. Raises DataError if it does not exist, for a line that makes no
    sense, and for files that are not there."""
    file = _file(root)
    require_category("manifest", file, category, find_categories(root))
    samples, missing = [], []
    for number, line in enumerate(_lines(file), start=1):
        if _category(file, line) == category:
            sample = _sample(file, number, line)
            samples.append(sample)
            missing += [path for path in (sample.path, *sample.masks) if not (file.parent / path).is_file()]
    if missing:
        raise DataError(
            f"{file} names {len(missing)} files that are not there, the first {missing[0]}; expected paths relative to "
            f"{file.parent}; correct them"
        )
    _require_consistent(file, samples)
    return finish_category(file, samples)


def _file(root: str | Path) -> Path:
    file = Path(root).expanduser()
    if not file.is_file():
        folder = open_root(root)
        found = [folder / name for name in NAMES if (folder / name).is_file()]
        if not found:
            raise DataError(f"no {' or '.join(NAMES)} in {folder}; expected one; use --data-root FILE for another name")
        file = found[0]
    return file


def _lines(file: Path) -> list[Line]:
    try:
        table = _parquet(file) if file.suffix.lower() == ".parquet" else _csv(file)
    except (OSError, ValueError, csv.Error) as error:  # of a file that is no such table
        reason = str(error).splitlines()[0]
        raise DataError(f"cannot read {file}: {reason}; expected CSV in UTF-8, or Parquet; write it again") from None
    columns = list(table[0]) if table else []
    if lacking := [name for name in REQUIRED if name not in columns]:
        there = ", ".join(nearest_first(lacking[0], columns)) or "none"
        raise DataError(f"{file} has no column {lacking[0]!r}, only: {there}; expected path and label; rename one")
    return table


def _csv(file: Path) -> list[Line]:
    with open(file, newline="", encoding="utf-8-sig") as lines:
        return [{name: value or "" for name, value in line.items() if name} for line in csv.DictReader(lines)]


def _parquet(file: Path) -> list[Line]:
    import pyarrow.parquet  # takes as long as all the rest, and most lists are CSV

    rows = pyarrow.parquet.read_table(file).to_pylist()
    return [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]


def _category(file: Path, line: Line) -> str:
    return line.get("category") or file.stem


def _sample(file: Path, number: int, line: Line) -> Sample:
    where, path = f"{file}, picture {number}", Path(line["path"]).as_posix()
    label = LABELS.get(line["label"].strip().lower())
    if label is None:
        raise DataError(f"{where}: label is {line['label']!r}; expected {', '.join(LABELS)}; correct it")
    part = line.get("split", "").strip().lower() or None
    if part not in (None, *PARTS):
        raise DataError(f"{where}: split is {line['split']!r}; expected {', '.join(PARTS)}, or nothing; correct it")
    picture = file.parent / path
    return Sample(
        path=path,
        label=label,
        defect=(line.get("defect") or "bad") if label else "good",
        part=part,
        group=line.get("group") or path,
        masks=(Path(line["mask"]).as_posix(),) if label and line.get("mask") else (),
        size_bytes=picture.stat().st_size if picture.is_file() else 0,
    )


def _require_consistent(file: Path, samples: list[Sample]) -> None:
    """Raises DataError unless each picture is listed once, and each has a split or none has."""
    counted = Counter(sample.path for sample in samples)
    path, times = counted.most_common(1)[0]
    if times > 1:
        raise DataError(f"{file} names {path} more than once; expected each picture once; remove the other lines")
    without = [sample.path for sample in samples if sample.part is None]
    if 0 < len(without) < len(samples):
        raise DataError(
            f"{file}: {len(without)} of {len(samples)} pictures have no split, the first {without[0]}; expected one "
            "for all or for none; add them"
        )
