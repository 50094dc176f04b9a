"""What a detector promises to whoever trains it, and the checks that every detector's HParams share.

Flow of a detector's life: HParams -> Detector(hparams, image_shape, device) -> calibrate(normals) -> step(images) many
times on normal images, calibrate(normals) again whenever scores are wanted -> score(images) on any images. state_dict /
load_state_dict carry it over a restart.

Randomness comes from torch's global generators alone: the caller seeds them before construction (so that the weights
are a function of the seed) and reseeds them at each epoch, so networks + optimisers are the whole state (a model that
counts its steps adds the count).

Letters: N images, C channels, H, W pixels.
"""

import copy
import math
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

SMALLEST_SIZE_PX = 32


class Detector(ABC):
    """Learns normal images, then scores any image: higher is more anomalous. It owns its networks and optimisers."""

    HParams: ClassVar[type]  # a frozen dataclass that validates itself; its defaults are the paper's
    optimises_to_score: ClassVar[bool] = False  # its score takes optimiser steps: it is no fixed program of the image
    is_training_free: ClassVar[bool] = False  # `calibrate` makes all of it: it takes no step

    def __init__(self, hparams: Any, image_shape: tuple[int, int, int], device: torch.device | str):
        """Keep what every detector needs; image_shape is (C, H, W)."""
        self.hparams = hparams
        self.image_shape = tuple(image_shape)
        self.device = torch.device(device)

    @abstractmethod
    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """Take one optimisation step on normal images (N, C, H, W) in [-1, 1], N >= 1.

        progress in [0, 1] is the share of the training that is done, for models with phases. The losses come back as
        detached 0-d tensors, left on the device so that no step waits for the accelerator.
        """

    def calibrate(self, normals: Iterable[Tensor]) -> None:
        """Learn what is normal, by one look at the normal training images, batches (N, C, H, W) in [-1, 1].

        Called before the first step, and again after steps, before scores are taken. What it keeps are buffers of its
        networks. A detector that has no use for it does not touch the iterable, and nothing is then prepared.
        """
        return

    @abstractmethod
    def score(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Score images (N, C, H, W) in [-1, 1]: scores (N,) and maps (N, H, W), higher is more anomalous.

        Each image is scored in eval mode and independently of its batch, on a scale of the model's own. The method
        manages gradients itself, so callers wrap it in nothing.
        """

    @abstractmethod
    def reconstruct(self, images: Tensor) -> Tensor:
        """Return what the model takes these images (N, C, H, W) for: (N, C, H, W) in [-1, 1]."""

    def is_ready(self, progress: float) -> bool:
        """Whether scores mean anything after this share of the training; False before a model's last phase."""
        return True

    def shorten_search(self, steps: int) -> float:
        """Cut the search at scoring, of models that have one, down to so many steps, to see how fast it goes; return
        how many times longer the whole one takes, about."""
        return 1.0

    @abstractmethod
    def networks(self) -> dict[str, nn.Module]:
        """Name -> network. Their parameters and floating buffers are all that training changes (besides optimisers);
        averaging both over data-parallel workers is meaningful for every detector."""

    @abstractmethod
    def optimizers(self) -> list[torch.optim.Optimizer]:
        """The optimisers, in a fixed order; each finds its gradients in `.grad` when `step` calls it."""

    def state_dict(self) -> dict[str, Any]:
        """The whole state as tensors and plain types (torch.load(weights_only=True) reads it); the tensors are live:
        save or copy them before the next step."""
        return {
            "networks": {name: network.state_dict() for name, network in self.networks().items()},
            "optimizers": [optimizer.state_dict() for optimizer in self.optimizers()],
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Take over a state of `state_dict` by copy. Raises RuntimeError where the networks' shapes differ."""
        for name, network in self.networks().items():
            network.load_state_dict(state["networks"][name])
        for optimizer, saved in zip(self.optimizers(), state["optimizers"], strict=True):
            optimizer.load_state_dict(copy.deepcopy(saved))

    def parameters_by_network(self) -> dict[str, int]:
        """Network name -> count of its parameters."""
        return {name: sum(p.numel() for p in network.parameters()) for name, network in self.networks().items()}

    def take(self, images: Tensor) -> Tensor:
        """Bring images to the detector's device. Raises ValueError for any shape but (N, C, H, W) with N >= 1."""
        if images.ndim != 4 or tuple(images.shape[1:]) != self.image_shape or images.shape[0] == 0:
            channels, height, width = self.image_shape
            raise ValueError(
                f"images have shape {tuple(images.shape)}: expected (N, {channels}, {height}, {width}) with N >= 1; "
                "resize them, or build the detector for their shape"
            )
        return images.to(self.device)


class TrainingFree(Detector):
    """A detector that `calibrate` makes whole: no step, no optimiser."""

    is_training_free: ClassVar[bool] = True

    def step(self, images: Tensor, progress: float) -> dict[str, Tensor]:
        """There is nothing to descend."""
        raise TypeError(f"{type(self).__name__} takes no training step: expected calibrate(normals) alone")

    def optimizers(self) -> list[torch.optim.Optimizer]:
        """None."""
        return []


def check_number(name: str, value: Any, *, above: float = -math.inf, least: float = -math.inf,
                 below: float = math.inf, most: float = math.inf, example: float) -> None:
    """Raise a one-line ValueError unless value is finite, with above < value < below and least <= value <= most."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if is_number and above < value < below and least <= value <= most:
        return
    signs = ((">", above), (">=", least), ("<", below), ("<=", most))
    bounds = " and ".join(f"{sign} {bound:g}" for sign, bound in signs if math.isfinite(bound))
    raise ValueError(f"{name} is {value!r}: expected a number {bounds}; set it to {example!r}, for example")


def check_whole(name: str, value: Any, *, least: int, example: int) -> None:
    """Raise a one-line ValueError unless value is an int >= least."""
    if not isinstance(value, int) or isinstance(value, bool) or value < least:
        raise ValueError(f"{name} is {value!r}: expected a whole number >= {least}; set it to {example}, for example")


def check_choice(name: str, value: Any, choices: tuple[Any, ...]) -> None:
    """Raise a one-line ValueError unless value is one of the choices (True and 1 differ)."""
    if not any(value == choice and type(value) is type(choice) for choice in choices):
        listed = " or ".join(repr(choice) for choice in choices)
        raise ValueError(f"{name} is {value!r}: expected {listed}; set it to {choices[0]!r}, the default")


def check_image_shape(image_shape: tuple[int, int, int]) -> None:
    """Raise a one-line ValueError unless image_shape (C, H, W) is square with a power of two >= 32 as its side.

    Every GAN here halves the image a fixed number of times, or down to 4x4.
    """
    channels, height, width = image_shape
    if channels >= 1 and height == width >= SMALLEST_SIZE_PX and height & (height - 1) == 0:
        return
    power = 2 ** max(round(max(height, width, 1)).bit_length() - 1, SMALLEST_SIZE_PX.bit_length() - 1)
    raise ValueError(
        f"image_shape is {tuple(image_shape)}: expected (C, S, S) with C >= 1 and S a power of two >= "
        f"{SMALLEST_SIZE_PX}; resize the images to {power} x {power}"
    )
