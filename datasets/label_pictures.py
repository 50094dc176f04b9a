"""Pictures of which only a second one tells what they are: all zero where the first is normal, else its mask."""

from pathlib import Path

from datasets.picture import UnreadableError, read_mask
from datasets.sample import DataError, Sample


def sample_of(root: Path, picture: Path, label: Path, part: str | None, group: str) -> Sample:
    """The sample of `picture`, whose label picture is `label`, both below `root`. Raises DataError where the label
    cannot be read."""
    path, mask = picture.relative_to(root).as_posix(), label.relative_to(root).as_posix()
    try:
        is_defective = bool(read_mask(root, mask).any())
    except UnreadableError as error:
        raise DataError(f"cannot read {error}; expected the label picture of {path}; restore it") from None
    return Sample(
        path=path,
        label=int(is_defective),
        defect="defect" if is_defective else "good",
        part=part,
        group=group,
        masks=(mask,) if is_defective else (),
        size_bytes=picture.stat().st_size,
    )
