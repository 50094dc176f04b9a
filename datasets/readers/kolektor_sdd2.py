"""KolektorSDD2 (Bozic et al., Computers in Industry 2021): 3,335 pictures of a surface, 356 of them defective,
CC BY-NC-SA 4.0.

{train,test}/<id>.png with <id>_GT.png, whose pixels are all zero where the picture is normal. Of the training part the
246 defective ones are not trained on. Names that are no number are passed over: the archive holds copies of one picture
and of its label, `10301 (copy).png` and `10301_GT (copy).png`.
"""

from pathlib import Path

from datasets.label_pictures import sample_of
from datasets.sample import DataError, Sample
from datasets.tree import images_in, named, not_here, open_root, require_category

COUNTS: dict[str, tuple[int, int]] = {"kolektor_sdd2": (2979, 356)}  # published: normal, defective
CATEGORIES: tuple[str, ...] = tuple(COUNTS)
ARCHIVE = "KolektorSDD2.zip"
_LABEL = "_GT"


def find_categories(root: str | Path) -> list[str]:
    """The one category. Raises DataError unless `root` holds labelled pictures to train on."""
    folder = open_root(root, ARCHIVE)
    if not _has_pictures(folder):
        expected = "train/10000.png with train/10000_GT.png"
        raise not_here(f"KolektorSDD2 picture in {folder}", folder, expected, _has_pictures)
    return list(CATEGORIES)


def scan(root: str | Path, category: str) -> list[Sample]:
    """All pictures of both parts, sorted by path; reads the label pictures, for they alone say what is defective.
    Raises DataError if the category does not exist, a label picture is missing or unreadable, or none is normal to
    train on."""
    folder = open_root(root, ARCHIVE)
    require_category("kolektor_sdd2", folder, category, find_categories(folder))
    samples = [sample for part in ("train", "test") for sample in _scan_part(folder, part)]
    if not any(sample.label == 0 and sample.part == "train" for sample in samples):
        raise DataError(
            f"{folder} has no normal image to train on; expected some in train/ whose label picture is all zero; "
            f"check the *{_LABEL}.png files"
        )
    return sorted(samples, key=lambda sample: sample.path)


def _has_pictures(folder: Path) -> bool:
    return any(picture.stem.endswith(_LABEL) for picture in images_in(named(folder, "train")))


def _scan_part(root: Path, part: str) -> list[Sample]:
    files = {file.stem: file for file in images_in(named(root, part))}
    samples = []
    for stem, picture in files.items():
        if not stem.isdecimal():
            continue
        label = files.get(stem + _LABEL)
        if label is None:
            raise DataError(f"{part}/{picture.name} has no label picture; expected {stem}{_LABEL}.png beside it")
        samples.append(sample_of(root, picture, label, part, group=picture.relative_to(root).as_posix()))
    return samples
