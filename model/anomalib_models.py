"""anomalib's image models (2.7.0, Apache-2.0, https://github.com/open-edge-platform/anomalib) as our detectors.

HParams -> the constructor of its LightningModule -> `step` drives `training_step` and `configure_optimizers`,
`calibrate` shows memory banks and Gaussians the normal images and lets them `fit`, `score` takes the scores and maps of
its torch model as they are: before any post-processor divides them by the least and the highest of a test set.

Our loop trains them, and not Lightning's Trainer, so that they are saved within an epoch, resumed bit for bit, stopped
early by ASHA, refitted by data-parallel workers, and run on both backends, as every other detector here. What modules
ask of a Trainer is answered by a stand-in whose training is SCHEDULE epochs of one step long: a schedule goes by the
share of our training that is done, which is what its author means by it.

Images come in [-1, 1] and are normalised as the model expects; nothing is resized or cropped. What differs from
anomalib:
- Backbones have the weights of model/parts/timm_weights.py; `levels` are strides, of any backbone. `pre_trained=False`
  is the honest control.
- What it learns beside its training is of normal training images alone: EfficientAD's quantiles are there of the
  validation part's.
- DRAEM and GLASS fill their defects with noise, as both do without a folder of textures; EfficientAD's batch is ours
  (there 1), and the images that its student must not imitate, there ImageNette's, are noise of several scales.
- `lr_factor` multiplies the learning rates of models whose constructor has none.

Letters: N images, C channels, H, W pixels.
"""

import contextlib
import dataclasses
import enum
import inspect
import io
import logging
import random
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar
from unittest import mock

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from model.anomalib_names import ADAPTED, LITE, Adapted
from model.contract import Detector, check_choice, check_number, check_whole
from model.parts.backbones import IMAGENET_DEVIATION, IMAGENET_MEAN
from model.parts.running_mean import RunningMean
from model.parts.timm_weights import LEVELS, offline

with warnings.catch_warnings(action="ignore"):  # of deprecated imports within
    from anomalib.data import ImageBatch
    from anomalib.models import image as anomalib_image
    from anomalib.models.components.feature_extractors import TimmFeatureExtractor
    from anomalib.pre_processing import PreProcessor
    from torchvision.transforms.v2 import Compose, Normalize, Resize

SCHEDULE = 1000  # steps of a learning rate's schedule in a whole training
PARTS = ("pre_processor", "post_processor", "evaluator", "visualizer")  # of a LightningModule; all but the first unused
OF_FILES = ("dtd_dir", "imagenet_dir", "anomaly_source_path", "few_shot_source")
OF_THE_RUN = ("batch_size", "input_shape", "input_dim", "layers", "layer", "precision", "backbone", "pre_trained")
FEATURES = 100  # of PaDiM's, where anomalib has no number for the backbone; as in our own


class AnomalibDetector(Detector):
    """What all of them share; `adapted` is which one it is."""

    adapted: ClassVar[Adapted]

    def __init__(self, hparams: Any, image_shape: tuple[int, int, int], device: torch.device | str):
        """Raises ValueError, of one line, for images that are no squares or too small, missing weights, and whatever
        anomalib refuses."""
        super().__init__(hparams, image_shape, device)
        _check_shape(self.adapted, self.image_shape)
        seed = _drawn_seed()
        with torch.device("cpu"), _alone(seed):  # its constructors pass data through their networks
            self.module = _module(self.adapted, hparams, self.image_shape)
            self.mean = RunningMean(self.image_shape)
        self.module.to(self.device)
        self.mean.to(self.device)
        self.seed = seed
        self.is_training = {part: part.training for part in self.module.modules()}  # a frozen part stays in eval mode
        self._optimizers, self.schedulers = _configured(self.module, getattr(hparams, "lr_factor", 1.0))
        self.scheduled = 0  # steps of the schedule that are done
        self.module.optimizers = lambda: self._optimizers[0] if len(self._optimizers) == 1 else self._optimizers

    def networks(self) -> dict[str, nn.Module]:
        """Its module, with the frozen backbone, and the mean image."""
        return {"anomalib": self.module, "mean": self.mean}

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """Those that the module configures."""
        return self._optimizers

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """One `training_step`, with the optimiser's own where the module leaves it to Lightning."""
        if self.is_training_free:
            raise TypeError(f"{self.adapted.kind} takes no training step: expected calibrate(normals) alone")
        if self.adapted.mixes_batch and torch.distributed.is_initialized():
            raise ValueError(f"{self.adapted.kind} descends as often as its batch is long, which differs between data-"
                             "parallel workers: expected one; leave --workers-per-job out")
        batch = self._batch(self.take(images))
        self._schedule(progress)
        self._training_mode()
        with _alone(_drawn_seed()):
            losses = self.module.training_step(batch, 0)
            if self.module.automatic_optimization:
                self._descend(losses["loss"])
        return {name: loss.detach().float().reshape(()) for name, loss in losses.items()}

    @torch.no_grad()
    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Fill the memory bank, once; or what a trained one looks at the normal images for."""
        is_first = not self.mean.images
        if not is_first and not self.adapted.looks:
            return
        batches = list(normals)
        if not batches:
            raise ValueError("there is no normal image to look at: expected at least one")
        if is_first:
            for images in batches:
                self.mean.add(self.take(images))
            if (most := getattr(self.hparams, "n_pca_components", 0)) > self.mean.images:
                raise ValueError(f"n_pca_components is {most}: expected no more than the {int(self.mean.images)} "
                                 "normal images; set it to less")
        with _alone(self.seed), torch.random.fork_rng(devices=self._cuda()):
            torch.manual_seed(self.seed)
            self._look([self._batch(self.take(images)) for images in batches], is_first)

    @torch.no_grad()
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """The model's own scores, and its maps; the score at every pixel where it has none."""
        if self.adapted.mixes_batch and len(images) > 1:
            scores, maps = zip(*map(self.score, images.split(1)), strict=True)
            return torch.cat(scores), torch.cat(maps)
        self.module.eval()
        found = self.module.model(self._prepared(self.take(images)))
        scores = found.pred_score.flatten().float()
        if found.anomaly_map is None:
            return scores, scores[:, None, None].expand(-1, *self.image_shape[1:])
        return scores, found.anomaly_map.reshape(-1, *self.image_shape[1:]).float()

    def reconstruct(self, images: Tensor) -> Tensor:
        """The mean normal image for each of the images: (N, C, H, W)."""
        return self.mean().expand(len(self.take(images)), *self.image_shape)

    def state_dict(self) -> dict[str, Any]:
        """What the contract says, and how far the schedule is."""
        return super().state_dict() | {"scheduled": self.scheduled}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """The learning rates are the optimisers'."""
        super().load_state_dict(state)
        self.scheduled = state["scheduled"]
        for scheduler in self.schedulers:
            scheduler.last_epoch = self.scheduled

    def _look(self, batches: list[ImageBatch], is_first: bool) -> None:
        """Lightning's hooks, in its order."""
        module = self.module
        module._trainer.train_dataloader = batches
        self._training_mode()
        if self.is_training_free:
            for _ in range(module.trainer_arguments.get("max_epochs", 1)):
                for batch in batches:
                    module.training_step(batch, 0)
                module.on_train_epoch_end()
        elif self.adapted.looks:
            if is_first:
                module.on_train_start()
            module.on_train_epoch_start()
            module.eval()
            module.on_validation_start()
        module._trainer.train_dataloader = None

    def _descend(self, loss: Tensor) -> None:
        (optimizer,) = self._optimizers
        optimizer.zero_grad()
        self.module.backward(loss)
        if clip := self.module.trainer_arguments.get("gradient_clip_val"):
            nn.utils.clip_grad_norm_([p for group in optimizer.param_groups for p in group["params"]], clip)
        optimizer.step()

    def _schedule(self, progress: float) -> None:
        """Bring the learning rates to where they are after this share of the training."""
        with warnings.catch_warnings(action="ignore"):  # of a schedule that goes on before the first step, resumed
            while self.scheduled < int(progress * SCHEDULE):
                for scheduler in self.schedulers:
                    scheduler.step()
                self.scheduled += 1

    def _training_mode(self) -> None:
        for part, is_training in self.is_training.items():
            part.training = is_training

    def _prepared(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, 3, H, W) as the model expects them."""
        images = images.expand(-1, 3, -1, -1).contiguous()  # some look at their features by `view`
        mean, deviation = _normalisation(self.adapted, self.hparams)
        if mean == deviation == _HALF:
            return images
        return ((images + 1) / 2 - _by_channel(mean, images)) / _by_channel(deviation, images)

    def _batch(self, images: Tensor) -> ImageBatch:
        """Normal images with their labels and empty masks; one alone comes twice, for batch statistics."""
        images = self._prepared(images if len(images) > 1 else images.expand(2, -1, -1, -1))
        none = torch.zeros(len(images), *self.image_shape[1:], dtype=torch.bool, device=images.device)
        return ImageBatch(image=images, gt_label=none[:, 0, 0], gt_mask=none)

    def _cuda(self) -> list[torch.device]:
        return [self.device] if self.device.type == "cuda" else []


class Noise:
    """What stands for ImageNette's images: (1, 3, H, W) in [0, 1], grey values of noise at several scales, for ever."""

    def __init__(self, height: int, width: int):
        self.sides = height, width

    def __iter__(self) -> "Noise":
        return self

    def __next__(self) -> tuple[Tensor]:
        scales = [F.interpolate(torch.rand(1, 3, 2**k, 2**k), self.sides, mode="bilinear") for k in (2, 4, 6)]
        return (torch.stack(scales).mean(dim=0),)


_HALF = (0.5, 0.5, 0.5)


def _normalisation(adapted: Adapted, hparams: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and deviation that its input, in [0, 1], is normalised by."""
    if adapted.is_unit:
        return (0.0, 0.0, 0.0), (1.0, 1.0, 1.0)
    if getattr(hparams, "backbone", None) == LITE:
        return _HALF, _HALF
    return IMAGENET_MEAN, IMAGENET_DEVIATION


def _by_channel(values: tuple[float, ...], images: Tensor) -> Tensor:
    return torch.tensor(values, device=images.device)[:, None, None]


def _check_shape(adapted: Adapted, image_shape: tuple[int, int, int]) -> None:
    channels, height, width = image_shape
    if channels not in (1, 3) or height != width or height < adapted.least_px or height % adapted.multiple_px:
        raise ValueError(f"image_shape is {image_shape}: {adapted.kind} of anomalib is shown squares of a multiple of "
                         f"{adapted.multiple_px} px, at least {adapted.least_px}; resize the images to "
                         f"{max(adapted.least_px, 128)}, for example")


def _module(adapted: Adapted, hparams: Any, image_shape: tuple[int, int, int]) -> Any:
    """Its LightningModule for such images, detached from Lightning."""
    own = dataclasses.asdict(hparams)
    pre_trained, _ = own.pop("pre_trained", True), own.pop("lr_factor", None)
    backbone = own.get("backbone", next(iter(adapted.backbones), None))
    if "levels" in own:
        layers = _layers(own.pop("levels"), backbone)
        own |= {"layers": layers} if "layers" in _arguments(adapted) else {"layer": layers[0]}
    sides = image_shape[1:]
    transforms = [Resize(sides)] if adapted.is_unit else [Resize(sides), Normalize(*_normalisation(adapted, hparams))]
    own |= {part: False for part in PARTS} | {"pre_processor": PreProcessor(Compose(transforms))}
    run = {"pre_trained": pre_trained, "input_shape": sides, "batch_size": 1}
    own |= {name: value for name, value in run.items() if name in _arguments(adapted)}
    try:
        with offline(pre_trained):
            module = MADE.get(adapted.kind, _made)(getattr(anomalib_image, adapted.kind), own, sides, pre_trained)
    except (AttributeError, KeyError, IndexError, AssertionError, NotImplementedError) as error:
        raise ValueError(f"anomalib's {adapted.kind} cannot be built: {type(error).__name__}: {error}") from None
    module.log = module.log_dict = lambda *_, **__: None
    module.manual_backward = lambda loss, **options: loss.backward(**options)
    module._trainer = _stand_in()
    module.register_load_state_dict_pre_hook(_resize_buffers)
    return module


def _layers(levels: str, backbone: str) -> list[str]:
    """Strides joined by "+" -> the backbone's layers there."""
    known, strides = LEVELS[backbone], levels.split("+")
    if not all(stride.isdigit() and int(stride) in known for stride in strides):
        raise ValueError(f"levels is {levels!r}: expected strides of {backbone}, of {', '.join(map(str, known))}, "
                         "joined by +; set it to '8+16', for example")
    return [known[int(stride)] for stride in strides]


def _stand_in() -> types.SimpleNamespace:
    """What modules read of their Trainer."""
    trainer = types.SimpleNamespace(max_epochs=SCHEDULE, max_steps=-1, train_dataloader=None, logger=None)

    def loader() -> list:
        return trainer.train_dataloader or [None]

    trainer.datamodule = types.SimpleNamespace(train_dataloader=loader, val_dataloader=loader, train_batch_size=1)
    return trainer


def _made(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> Any:
    return kind(**own)


def _made_padim(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> Any:
    """More features than its levels have are all of them."""
    there = sum(TimmFeatureExtractor(own["backbone"], own["layers"], pre_trained=False).out_dims)
    return kind(**own | {"n_features": min(own["n_features"], there)})


def _made_fre(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> Any:
    """Its autoencoder's input is as long as the features of such an image."""
    model = kind(**own, input_dim=1).model
    features = model.feature_extractor(torch.zeros(1, 3, *sides))[own["layer"]]
    return kind(**own, input_dim=F.avg_pool2d(features, own["pooling_kernel_size"]).numel())


def _made_cflow(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> Any:
    """It descends on so many positions at a time: no more than two images have at the coarsest level."""
    module = kind(**own)
    coarsest = module.model.encoder.reductions[-1]
    positions = 2 * (sides[0] // coarsest) * (sides[1] // coarsest)
    module.model.fiber_batch_size = min(module.model.fiber_batch_size, positions)
    return module


def _made_glass(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> Any:
    """Its centre is kept with its state."""
    module = kind(**own)
    module.model.register_buffer("center", None)
    return module


def _made_draem(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> Any:
    """Without a folder of textures."""
    draem = inspect.getmodule(kind)
    generator = draem.PerlinAnomalyGenerator
    with mock.patch.multiple(draem, resolve_dataset_root=lambda *_: types.SimpleNamespace(is_dir=lambda: True),
                             PerlinAnomalyGenerator=lambda anomaly_source_path, **more: generator(**more)):
        return kind(**own)


def _made_efficient_ad(kind: type, own: dict[str, Any], sides: tuple[int, int], pre_trained: bool) -> Any:
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


MADE = {
    "Padim": _made_padim, "Cflow": _made_cflow, "Fre": _made_fre, "Glass": _made_glass, "Draem": _made_draem,
    "EfficientAd": _made_efficient_ad,
}  # fmt: skip


def _configured(module: Any, lr_factor: float) -> tuple[list[torch.optim.Optimizer], list[Any]]:
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


def _resize_buffers(module: nn.Module, state: Mapping[str, Tensor], prefix: str, *_: Any) -> None:
    """Before a state is loaded, buffers take its sizes: a memory bank's is that of what it has seen."""
    for name, tensor in state.items():
        owner, _, buffer = name.removeprefix(prefix).rpartition(".")
        buffers = module.get_submodule(owner)._buffers
        if buffer in buffers and (buffers[buffer] is None or buffers[buffer].shape != tensor.shape):
            buffers[buffer] = torch.empty_like(tensor, device=module.device)


def _drawn_seed() -> int:
    return int(torch.randint(2**31, (), device="cpu"))


@contextlib.contextmanager
def _alone(seed: int) -> Iterator[None]:
    """Python's and NumPy's generators from a seed, for torch's are not all that is asked; and no progress bars."""
    states = random.getstate(), np.random.get_state()
    random.seed(seed)
    np.random.seed(seed)
    try:
        with warnings.catch_warnings(action="ignore"), contextlib.redirect_stderr(io.StringIO()):
            yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])


def _arguments(adapted: Adapted) -> Mapping[str, inspect.Parameter]:
    return inspect.signature(getattr(anomalib_image, adapted.kind).__init__).parameters


CHOICES = {"score_type": ("fre", "nll"), "decoder": ("freia-cflow",)}  # of words that are no enumeration there
DEFAULTS = {("Padim", "n_features"): FEATURES}  # where there it depends on the backbone


def _hparams(adapted: Adapted) -> type:
    """A frozen dataclass of the numbers and words that its constructor takes, with its defaults, and of ours."""
    fields: dict[str, Any] = {}
    choices = dict(CHOICES)
    if adapted.backbones:
        if len(adapted.backbones) > 1:
            fields["backbone"], choices["backbone"] = adapted.backbones[0], adapted.backbones
        fields["pre_trained"] = True
    if adapted.strides:
        fields["levels"] = adapted.strides
    for argument in _arguments(adapted).values():
        default = DEFAULTS.get((adapted.kind, argument.name), argument.default)
        if argument.name in (*PARTS, *OF_FILES, *OF_THE_RUN) or argument.name.endswith("_backbone"):
            continue
        if isinstance(default, enum.Enum):
            choices[argument.name] = tuple(choice.value for choice in type(default))
            default = default.value
        if isinstance(default, bool | int | float | str):
            fields[argument.name] = default
    if not adapted.is_training_free and not {"lr", "learning_rate"} & fields.keys():
        fields["lr_factor"] = 1.0

    def check(self: Any) -> None:
        for name, default in fields.items():
            _check(name, getattr(self, name), default, choices.get(name))

    made = [(name, type(default), dataclasses.field(default=default)) for name, default in fields.items()]
    return dataclasses.make_dataclass(f"{adapted.kind}HParams", made, frozen=True, namespace={"__post_init__": check})


def _check(name: str, value: Any, default: Any, choices: tuple[Any, ...] | None) -> None:
    if choices or isinstance(default, bool):
        check_choice(name, value, choices or (default, not default))
    elif isinstance(default, int):
        check_whole(name, value, least=min(default, 1), example=default)
    elif isinstance(default, float):
        check_number(name, value, least=0, example=default)
    elif not isinstance(value, str):
        raise ValueError(f"{name} is {value!r}: expected a word; set it to {default!r}, the default")


def _detector(adapted: Adapted) -> type[AnomalibDetector]:
    members = {"adapted": adapted, "HParams": _hparams(adapted), "is_training_free": adapted.is_training_free,
               "__doc__": f"{adapted.kind} of anomalib."}
    return type(adapted.kind, (AnomalibDetector,), members)


logging.getLogger("anomalib").setLevel(logging.ERROR)
DETECTORS = types.SimpleNamespace(**{adapted.kind: _detector(adapted) for adapted in ADAPTED.values()})
