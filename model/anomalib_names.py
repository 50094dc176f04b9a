"""What is known of anomalib's image models without importing them: their names are those of its folders (2.7,
https://github.com/open-edge-platform/anomalib, models/image).

ADAPTED can be detectors here; REFUSED cannot, and why. Catalogues and the command line read this file, which needs
neither anomalib nor torch.
"""

import importlib.util
from dataclasses import dataclass

PREFIX = "anomalib:"
INSTALL = "pip install 'defectsweep[anomalib]'"
LITE = "efficientnet_lite0"  # the backbone whose weights come with this package
RESNETS = ("resnet18", "wide_resnet50_2")  # whose weights are fetched before a run (model/parts/backbones.py)
ANY_CNN = (LITE, *RESNETS)


@dataclass(frozen=True)
class Adapted:
    """One of its models, and what its constructor does not say."""

    kind: str  # its class in anomalib.models.image
    backbones: tuple[str, ...] = ()  # that it can be built on, the default first
    strides: str = ""  # of the levels that it looks at by default, where they can be chosen
    is_training_free: bool = False  # one look at the normal images makes it
    looks: bool = False  # it looks at the normal images although it is trained, too
    is_unit: bool = False  # it takes images in [0, 1], others in ImageNet's or their backbone's normalisation
    mixes_batch: bool = False  # it descends as often as a batch is long; maps are relative to the highest of the batch
    least_px: int = 64
    multiple_px: int = 32  # its side is a multiple of it

    @property
    def needs(self) -> str | None:
        """The weights that it is built on by default and that do not come with this package."""
        return self.backbones[0] if self.backbones and self.backbones[0] != LITE else None


ADAPTED = {  # those whose weights come with this package, those that need others, those that need none
    PREFIX + name: adapted
    for name, adapted in {
        "padim": Adapted("Padim", ANY_CNN, "4+8+16", is_training_free=True),
        "patchcore": Adapted("Patchcore", ANY_CNN, "8+16", is_training_free=True),
        "mh_patchcore": Adapted("MHPatchcore", ANY_CNN, "8+16", is_training_free=True),
        "dfm": Adapted("Dfm", ANY_CNN, "16", is_training_free=True),
        "dfkde": Adapted("Dfkde", ANY_CNN, "32", is_training_free=True),
        "cflow": Adapted("Cflow", ANY_CNN, "8+16+32", mixes_batch=True),
        "fre": Adapted("Fre", ANY_CNN, "16"),
        "glass": Adapted("Glass", ANY_CNN, "8+16", looks=True),
        "patchflow": Adapted("Patchflow", ANY_CNN),
        "stfpm": Adapted("Stfpm", ANY_CNN, "4+8+16"),
        "supersimplenet": Adapted("Supersimplenet", ANY_CNN, "8+16", least_px=128),
        "cfa": Adapted("Cfa", RESNETS, looks=True),
        "csflow": Adapted("Csflow", ("efficientnet_b5",), least_px=128, multiple_px=128),
        "fastflow": Adapted("Fastflow", RESNETS),
        "reverse_distillation": Adapted("ReverseDistillation", RESNETS, "4+8+16"),
        "uflow": Adapted("Uflow", RESNETS),
        "uninet": Adapted("UniNet", ("wide_resnet50_2",)),
        "efficient_ad": Adapted("EfficientAd", ("pretrained_teacher",), looks=True, is_unit=True, least_px=256),
        "draem": Adapted("Draem", is_unit=True),
        "ganomaly": Adapted("Ganomaly", least_px=32),
    }.items()
}
_VIT = "needs the weights of a vision transformer, {}, which are fetched from the network"
REFUSED = {
    PREFIX + name: why
    for name, why in {
        "anomaly_dino": _VIT.format("DINOv2 small"),
        "anomalyvfm": "needs weights from the network (Hugging Face), and images of 768 px",
        "cfm": "needs a point cloud beside each image",
        "dinomaly": _VIT.format("DINOv2 base"),
        "dsr": "needs a quantised autoencoder's weights, which are fetched from the network as a pickle",
        "foundad": _VIT.format("DINOv2 base"),
        "general_ad": _VIT.format("DINOv2 large"),
        "inp_former": _VIT.format("DINOv2 base"),
        "l2bt": _VIT.format("DINO base"),
        "rad": _VIT.format("DINOv3 base"),
        "super_add": _VIT.format("DINOv3 huge"),
        "vlm_ad": "asks a language model by a text prompt, over the network, and gives no scores",
        "winclip": "needs a text prompt, and CLIP's weights from the network",
    }.items()
}
TRAINING_FREE = tuple(name for name, adapted in ADAPTED.items() if adapted.is_training_free)


def is_installed() -> bool:
    """Whether anomalib is there; it is not imported for that."""
    return importlib.util.find_spec("anomalib") is not None


def why_not(model: str) -> str | None:
    """Why a model cannot be run here, in one line; None where it can, and for models that are not anomalib's."""
    if not model.startswith(PREFIX):
        return None
    if model in REFUSED:
        return f"it {REFUSED[model]}; 'defectsweep models anomalib' lists those that can be run here"
    if not is_installed():
        return f"it is of the package anomalib, which is not installed; {INSTALL}"
    return None
