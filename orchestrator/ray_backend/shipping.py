"""What workers take from the object store: the images of a decoding, and the weights of backbones. Both are put there
once; weights are written where a machine lacks them."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import ray

from datasets.images import Images
from model.parts.backbones import BACKBONES, find_weights
from orchestrator.experiment.job import Decoding


@dataclass(frozen=True)
class Shipped:
    """References into the object store."""

    images: Mapping[Decoding, ray.ObjectRef]
    weights: Mapping[str, ray.ObjectRef]  # by backbone: the content of its file


def put_images(images: Mapping[Decoding, Images]) -> dict[Decoding, ray.ObjectRef]:
    """By decoding."""
    return {decoding: ray.put(decoded) for decoding, decoded in images.items()}


def put_weights(backbones: Iterable[str]) -> dict[str, ray.ObjectRef]:
    """By backbone, from the files on this machine."""
    return {name: ray.put(find_weights(name).read_bytes()) for name in backbones}


def install(weights: Mapping[str, ray.ObjectRef]) -> None:
    """On a worker: the files that its machine lacks."""
    for name, content in weights.items():
        if BACKBONES[name].weights.find() is None:
            BACKBONES[name].weights.keep(ray.get(content))
