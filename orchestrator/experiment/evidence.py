"""How little a small test part shows: the interval of an AUROC that is measured on it, and how many pictures narrow it.

Said before anything is trained, as it follows from the numbers of images alone (intervals.of_counts).
"""

from collections.abc import Iterable

from datasets.images import Images
from datasets.split import pictures_per_test_image, split
from orchestrator.experiment.config import Experiment
from orchestrator.metrics import intervals

AUROC = 0.9  # of a detector that is of some use
WIDEST = 0.3  # that the 95 % interval of such an AUROC may be without a word


def find(decoded: Iterable[Images], experiment: Experiment) -> list[str]:
    """A line for each category, once whatever its sizes, whose test part says less than that."""
    once = {images.data_hash: images for images in decoded}.values()
    return [line for images in once if (line := _line(images, experiment))]


def needed(defective: int, normal: int) -> tuple[int, int]:
    """Defective and normal test images, at least so many, whose interval is narrow enough: the rarer kind is added to,
    as that narrows it most."""
    while _width(defective, normal) > WIDEST:
        if defective <= normal:
            defective += 1
        else:
            normal += 1
    return defective, normal


def _width(defective: int, normal: int) -> float:
    low, high = intervals.of_counts(AUROC, defective, normal)
    return high - low


def _line(images: Images, experiment: Experiment) -> str | None:
    labels = images.labels[split(images, experiment.protocol, experiment.seed[0], experiment.folds).test]
    defective, normal = int((labels == 1).sum()), int((labels == 0).sum())
    if _width(defective, normal) <= WIDEST:
        return None
    low, high = intervals.of_counts(AUROC, defective, normal)
    enough_defective, enough_normal = needed(defective, normal)
    per_normal, per_defective = pictures_per_test_image(images, experiment.protocol)
    more = {
        "good": (enough_normal - normal) * per_normal,
        "defective": (enough_defective - defective) * per_defective,
    }
    pictures = " and ".join(f"{number} more {kind}" for kind, number in more.items() if number)
    return (
        f"few pictures in {images.category}: with {normal} good and {defective} defective ones in its test part, an "
        f"AUROC of {AUROC:.2f} has a 95 % interval of {low:.2f}-{high:.2f}; {pictures} pictures would make it as "
        f"narrow as {WIDEST:.2f}"
    )
