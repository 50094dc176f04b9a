"""The detectors by name. To add one: its file in model/, its line here, its file in search_spaces/.

MODELS are those of this package; KNOWN are anomalib's besides, which are run by their names alone.
"""

import pkgutil
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from model import anomalib_names

if TYPE_CHECKING:
    from model.contract import Detector


class Catalogue(Mapping):
    """Name -> class, whose module is imported when the class is asked for: the names alone need no torch."""

    def __init__(self, places: Mapping[str, str]):
        self.places = dict(places)

    def __getitem__(self, name: str) -> type["Detector"]:
        return pkgutil.resolve_name(self.places[name])

    def __contains__(self, name: object) -> bool:
        return name in self.places

    def __iter__(self) -> Iterator[str]:
        return iter(self.places)

    def __len__(self) -> int:
        return len(self.places)


MODELS = Catalogue({
    "patch_forged": "model.patch_forged:PatchForged",
    "patch_gaussian": "model.patch_gaussian:PatchGaussian",
    "padim": "model.padim:Padim",
    "patchcore": "model.patchcore:PatchCore",
    "sa_skip_ganomaly": "model.sa_skip_ganomaly:SaSkipGanomaly",
    "skip_ganomaly": "model.skip_ganomaly:SkipGanomaly",
    "sagan": "model.sagan:Sagan",
    "ganomaly": "model.ganomaly:Ganomaly",
    "anogan": "model.anogan:AnoGan",
    "f_anogan": "model.f_anogan:FAnoGan",
    "egbad": "model.egbad:Egbad",
    "alad": "model.alad:Alad",
    "mean_image": "model.mean_image:MeanImage",
})

KNOWN = Catalogue(MODELS.places | {
    name: f"model.anomalib_models:DETECTORS.{adapted.kind}" for name, adapted in anomalib_names.ADAPTED.items()
})
ENSEMBLE = "ensemble"  # of finished detectors (model/ensemble.py): none of those that are searched

# what is known of them without importing them: which see images of any shape, others being built for squares alone, and
# which are `is_training_free`
ANY_SHAPE = ("patch_forged", "patch_gaussian", "padim", "patchcore", "mean_image")
TRAINING_FREE = ("patch_gaussian", "padim", "patchcore", "mean_image")


def takes_steps(model: str) -> bool:
    """Whether a model is trained: others are made by one look at the normal images."""
    return model not in (*TRAINING_FREE, *anomalib_names.TRAINING_FREE)
