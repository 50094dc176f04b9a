"""Pictures that are said to be good and defective at once."""

from datasets.images import Images
from datasets.sample import DataError


def require_none(images: Images) -> None:
    """Raises DataError, which names both files, where a good image has the pixels of a defective one."""
    defective = {
        pixels: sample.path for sample, pixels in zip(images.samples, images.pixel_hash, strict=True) if sample.label
    }
    both = [
        (sample.path, defective[pixels])
        for sample, pixels in zip(images.samples, images.pixel_hash, strict=True)
        if not sample.label and pixels in defective
    ]
    if both:
        good, bad = both[0]
        more = f" (and {len(both) - 1} more)" if len(both) > 1 else ""
        raise DataError(
            f"{images.dataset}/{images.category}: {good}, read as good, and {bad}, read as defective, are one picture"
            f"{more}; expected each on one side; remove the wrong one"
        )
