"""anomalib's LightningModules, built for images of one size and detached from Lightning: what a module asks of its
Trainer is answered by a stand-in, and its constructor fetches nothing.

The stand-in's training is SCHEDULE epochs of one step long: a schedule goes by the share of the training that is done,
which is what its author means by it.

What differs from anomalib, beside its weights (model/parts/timm_weights.py):
- DRAEM and GLASS fill their defects with noise, as both do without a folder of textures.
- The images that EfficientAD's student must not imitate, there ImageNette's, are noise of several scales.
- CFlow descends on no more positions at a time than two images have at its coarsest level.

Letters: N images, C channels, H, W pixels.
"""

import dataclasses
import inspect
import types
import warnings
from collections.abc import Mapping
from typing import Any
from unittest import mock

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.anomalib_names import LITE, Adapted
from model.parts.anomalib_hparams import PARTS, arguments
from model.parts.backbones import IMAGENET_DEVIATION, IMAGENET_MEAN
from model.parts.timm_weights import LEVELS, TIMM, offline

with warnings.catch_warnings(action="ignore"):  # of deprecated imports within
    from anomalib.data import ImageBatch
    from anomalib.models import image as anomalib_image
    from anomalib.models.components import AnomalibModule
    from anomalib.models.components.feature_extractors import TimmFeatureExtractor
    from anomalib.pre_processing import PreProcessor
    from torchvision.transforms.v2 import Compose, Normalize, Resize

SCHEDULE = 1000  # steps of a learning rate's schedule in a whole training
_UNIT = (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
_HALF = (0.5, 0.5, 0.5), (0.5, 0.5, 0.5)


def class_of(adapted: Adapted) -> type[AnomalibModule]:
    """Its class."""
    return getattr(anomalib_image, adapted.kind)


def built(adapted: Adapted, hparams: Any, image_shape: tuple[int, int, int]) -> AnomalibModule:
    """Its module for images (C, H, W). Raises ValueError, of one line, for images that it cannot see, missing weights,
    and whatever anomalib refuses."""
    _check_shape(adapted, image_shape)
    kind, sides = class_of(adapted), image_shape[1:]
    own, pre_trained = _constructor_arguments(adapted, hparams, sides), getattr(hparams, "pre_trained", True)
    try:
        with offline(pre_trained):
            module = _MADE.get(adapted.kind, _made)(kind, own, sides, pre_trained)
    except (AttributeError, KeyError, IndexError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"anomalib's {adapted.kind} cannot be built: {type(error).__name__}: {error}") from None
    module.log = module.log_dict = lambda *_, **__: None
    module.manual_backward = lambda loss, **options: loss.backward(**options)
    module._trainer = _stand_in()
    module.register_load_state_dict_pre_hook(_resize_buffers)
    return module


def configured(module: AnomalibModule, lr_factor: float) -> tuple[list[torch.optim.Optimizer], list[Any]]:
    """The optimisers and schedulers of `configure_optimizers`, in the forms that Lightning allows and these use."""
    found = module.configure_optimizers()
    if isinstance(found, dict):
        optimizers, schedulers = [found["optimizer"]], [found["lr_scheduler"]]
    elif isinstance(found, tuple):
        optimizers, schedulers = found
    else:
        optimizers, schedulers = found if isinstance(found, list) else [found] if found else [], []
    for group in (group for optimizer in optimizers for group in optimizer.param_groups):
        group.update({name: group[name] * lr_factor for name in ("lr", "initial_lr") if name in group})
    return optimizers, schedulers


def normalised(images: Tensor, adapted: Adapted, hparams: Any) -> Tensor:
    """(N, C, H, W) in [-1, 1] -> (N, 3, H, W) as the model expects them."""
    images = images.expand(-1, 3, -1, -1).contiguous()  # some look at their features by `view`
    if _normalisation(adapted, hparams) == _HALF:
        return images
    mean, deviation = (torch.tensor(values, device=images.device)[:, None, None]
                       for values in _normalisation(adapted, hparams))  # fmt: skip
    return ((images + 1) / 2 - mean) / deviation


def normal_batch(images: Tensor) -> ImageBatch:
    """Normal images (N, 3, H, W) with their labels and empty masks."""
    none = torch.zeros(len(images), *images.shape[2:], dtype=torch.bool, device=images.device)
    return ImageBatch(image=images, gt_label=none[:, 0, 0], gt_mask=none)


class Noise:
    """What stands for ImageNette's images: (1, 3, H, W) in [0, 1], grey values of noise at several scales, for ever."""

    def __init__(self, height: int, width: int):
        self.sides = height, width

    def __iter__(self) -> "Noise":
        return self

    def __next__(self) -> tuple[Tensor]:
        scales = [F.interpolate(torch.rand(1, 3, 2**k, 2**k), self.sides, mode="bilinear") for k in (2, 4, 6)]
        return (torch.stack(scales).mean(dim=0),)


def _check_shape(adapted: Adapted, image_shape: tuple[int, int, int]) -> None:
    channels, height, width = image_shape
    if channels not in (1, 3) or height != width or height < adapted.least_px or height % adapted.multiple_px:
        raise ValueError(f"image_shape is {image_shape}: {adapted.kind} of anomalib is shown squares of a multiple of "
                         f"{adapted.multiple_px} px, at least {adapted.least_px}; resize the images to "
                         f"{max(adapted.least_px, 128)}, for example")


def _constructor_arguments(adapted: Adapted, hparams: Any, sides: tuple[int, int]) -> dict[str, Any]:
    """Our names -> its own, with what the run decides; no part but the pre-processor, which some ask for the size."""
    own, known = dataclasses.asdict(hparams), arguments(class_of(adapted))
    run = {"pre_trained": own.pop("pre_trained", True), "input_shape": sides, "batch_size": 1}
    backbone, _ = own.pop("backbone", None), own.pop("lr_factor", None)
    if "levels" in own:
        layers = _layers(own.pop("levels"), backbone)
        own |= {"layers": layers} if "layers" in known else {"layer": layers[0]}
    if "backbone" in known:
        own["backbone"] = TIMM.get(backbone, backbone)
    transforms = [Resize(sides)] if adapted.is_unit else [Resize(sides), Normalize(*_normalisation(adapted, hparams))]
    own |= dict.fromkeys(PARTS, False) | {"pre_processor": PreProcessor(Compose(transforms))}
    return own | {name: value for name, value in run.items() if name in known}


def _layers(levels: str, backbone: str) -> list[str]:
    """Strides joined by "+" -> the backbone's layers there."""
    known, strides = LEVELS[backbone], levels.split("+")
    if not all(stride.isdigit() and int(stride) in known for stride in strides):
        raise ValueError(f"levels is {levels!r}: expected strides of {backbone}, of {', '.join(map(str, known))}, "
                         "joined by +; set it to '8+16', for example")
    return [known[int(stride)] for stride in strides]


def _normalisation(adapted: Adapted, hparams: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that its input, in [0, 1], is normalised by."""
    if adapted.is_unit:
        return _UNIT
    return _HALF if getattr(hparams, "backbone", None) == LITE else (IMAGENET_MEAN, IMAGENET_DEVIATION)


def _stand_in() -> types.SimpleNamespace:
    """What modules read of their Trainer."""
    trainer = types.SimpleNamespace(max_epochs=SCHEDULE, max_steps=-1, train_dataloader=None, logger=None)

    def loader() -> list:
        return trainer.train_dataloader or [None]

    trainer.datamodule = types.SimpleNamespace(train_dataloader=loader, val_dataloader=loader, train_batch_size=1)
    return trainer


def _resize_buffers(module: nn.Module, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """Before a state is loaded, buffers take its sizes: a memory bank's is that of what it has seen."""
    for name, tensor in state.items():
        owner, _, buffer = name.removeprefix(prefix).rpartition(".")
        buffers = module.get_submodule(owner)._buffers
        if buffer in buffers and (buffers[buffer] is None or buffers[buffer].shape != tensor.shape):
            buffers[buffer] = torch.empty_like(tensor, device=module.device)


def _made(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> AnomalibModule:
    return kind(**own)


def _made_padim(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> AnomalibModule:
    """More features than its levels have are all of them."""
    there = sum(TimmFeatureExtractor(own["backbone"], own["layers"], pre_trained=False).out_dims)
    return kind(**own | {"n_features": min(own["n_features"], there)})


def _made_fre(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> AnomalibModule:
    """Its autoencoder's input is as long as the features of such an image."""
    model = kind(**own, input_dim=1).model
    features = model.feature_extractor(torch.zeros(1, 3, *sides))[own["layer"]]
    return kind(**own, input_dim=F.avg_pool2d(features, own["pooling_kernel_size"]).numel())


def _made_cflow(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> AnomalibModule:
    """It descends on so many positions at a time: no more than two images have at the coarsest level."""
    module = kind(**own)
    coarsest = module.model.encoder.reductions[-1]
    positions = 2 * (sides[0] // coarsest) * (sides[1] // coarsest)
    module.model.fiber_batch_size = min(module.model.fiber_batch_size, positions)
    return module


def _made_glass(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> AnomalibModule:
    """Its centre is kept with its state."""
    module = kind(**own)
    module.model.register_buffer("center", None)
    return module


def _made_draem(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> AnomalibModule:
    """Without a folder of textures."""
    draem = inspect.getmodule(kind)
    generator = draem.PerlinAnomalyGenerator
    with mock.patch.multiple(draem, resolve_dataset_root=lambda *_: types.SimpleNamespace(is_dir=lambda: True),
                             PerlinAnomalyGenerator=lambda anomaly_source_path, **more: generator(**more)):
        return kind(**own)


def _made_efficient_ad(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> AnomalibModule:
    """Its teacher from a file that is here, or as it was drawn."""
    module = kind(**own)
    module.prepare_pretrained_model = module.prepare_imagenette_data = lambda *_: None
    module.imagenet_iterator = Noise(*sides)
    if pre_trained:
        folder = inspect.getmodule(kind).get_pretrained_weights_dir() / "efficientad_pretrained_weights"
        path = folder / f"pretrained_teacher_{module.model_size.value}.pth"
        if not path.is_file():
            raise ValueError(f"the teacher's weights are not here: expected {path}, of anomalib's release "
                             "efficientad_pretrained_weights; or set pre_trained=false, the untrained control")
        module.model.teacher.load_state_dict(torch.load(path, map_location="cpu", weights_only=True))
    return module


_MADE = {
    "Padim": _made_padim, "Cflow": _made_cflow, "Fre": _made_fre, "Glass": _made_glass, "Draem": _made_draem,
    "EfficientAd": _made_efficient_ad,
}  # fmt: skip
