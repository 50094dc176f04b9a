"""anomalib's image models (2.7.0, Apache-2.0, https://github.com/open-edge-platform/anomalib) as our detectors.

HParams -> its LightningModule (model/parts/anomalib_modules.py) -> `step` drives `training_step` and the optimisers of
`configure_optimizers`, `calibrate` shows memory banks and Gaussians the normal images and lets them `fit`, `score`
takes the scores and maps of its torch model as they are: before any post-processor divides them by the least and the
highest of a test set.

Our loop trains them, and not Lightning's Trainer, so that they are saved after each epoch, resumed bit for bit, stopped
early by ASHA, refitted by data-parallel workers, and run on both backends, as every other detector here.

Images come in [-1, 1] and are normalised as the model expects; nothing is resized or cropped. What differs from
anomalib, beside what anomalib_modules.py says:
- What a model learns beside its training is of normal training images alone: EfficientAD's quantiles are there of the
  validation part's.
- EfficientAD's batch is ours; there it is 1.
- An image that comes alone is shown twice, for statistics of a batch.

Letters: N images, C channels, H, W pixels.
"""

import contextlib
import io
import logging
import random
import types
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from model.anomalib_names import ADAPTED, Adapted
from model.contract import Detector
from model.parts.anomalib_hparams import hparams_of
from model.parts.anomalib_modules import (
    SCHEDULE,
    ImageBatch,
    built,
    class_of,
    configured,
    normal_batch,
    normalised,
)
from model.parts.running_mean import RunningMean


class AnomalibDetector(Detector):
    """What all of them share; `adapted` is which one it is."""

    adapted: ClassVar[Adapted]

    def __init__(self, hparams: Any, image_shape: tuple[int, int, int], device: torch.device | str):
        """Raises ValueError, of one line, for images that are no squares or too small, missing weights, and whatever
        anomalib refuses."""
        super().__init__(hparams, image_shape, device)
        seed = _drawn_seed()
        with torch.device("cpu"), _alone(seed):  # its constructors pass data through their networks
            self.module = built(self.adapted, hparams, self.image_shape)
            self.mean = RunningMean(self.image_shape)
        self.module.to(self.device)
        self.mean.to(self.device)
        self.seed = seed
        self.modes = {part: part.training for part in self.module.modules()}  # a frozen part is never in training mode
        self._optimizers, self.schedulers = configured(self.module, getattr(hparams, "lr_factor", 1.0))
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
        for part, is_training in self.modes.items():
            part.training = is_training

    def _prepared(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, 3, H, W) as the model expects them."""
        return normalised(images, self.adapted, self.hparams)

    def _batch(self, images: Tensor) -> ImageBatch:
        """Normal images with their labels and empty masks; one alone comes twice, for batch statistics."""
        return normal_batch(self._prepared(images if len(images) > 1 else images.expand(2, -1, -1, -1)))

    def _cuda(self) -> list[torch.device]:
        return [self.device] if self.device.type == "cuda" else []


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


def _detector(adapted: Adapted) -> type[AnomalibDetector]:
    members = {"adapted": adapted, "HParams": hparams_of(class_of(adapted), adapted),
               "is_training_free": adapted.is_training_free, "__doc__": f"{adapted.kind} of anomalib."}  # fmt: skip
    return type(adapted.kind, (AnomalibDetector,), members)


logging.getLogger("anomalib").setLevel(logging.ERROR)
DETECTORS = types.SimpleNamespace(**{adapted.kind: _detector(adapted) for adapted in ADAPTED.values()})
