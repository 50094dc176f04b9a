"""Data parallelism for detectors that own several networks and optimisers: every optimiser averages gradients over the
workers before it steps.

The workers start from equal weights and apply equal gradients, so they stay equal, as under DistributedDataParallel.
That wrapper expects one forward and one backward pass of one network per step; a GAN's step passes its discriminator
several times and its generator through it. Within an epoch, running statistics, random generators and sums of losses
are each worker's own.
"""

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from model.contract import Detector


class Alone:
    """One process that trains a detector by itself."""

    rank, world = 0, 1

    def begin(self, detector: Detector) -> None:
        """The detector is built, and in the state that it goes on from."""

    def end_epoch(self, detector: Detector) -> None:
        """An epoch has ended."""

    def agree(self, is_so: bool) -> bool:
        """What the first of them says."""
        return is_so

    def others(self, own: dict[str, Any]) -> list[dict[str, Any]]:
        """What those after the first of them have of the same."""
        return []


ALONE = Alone()


class Workers(Alone):
    """The processes of an initialised process group, whose tensors are on `device`. Each calls every method."""

    def __init__(self, device: torch.device):
        self.rank, self.world, self.device = dist.get_rank(), dist.get_world_size(), device

    def begin(self, detector: Detector) -> None:
        """Gives all rank 0's weights and buffers; from now on gradients are averaged."""
        average_gradients(detector)

    def end_epoch(self, detector: Detector) -> None:
        """Averages running statistics."""
        average_buffers(detector)

    def agree(self, is_so: bool) -> bool:
        """What rank 0 says."""
        answer = torch.tensor(is_so, dtype=torch.uint8, device=self.device)
        dist.broadcast(answer, src=0)
        return bool(answer)

    def others(self, own: dict[str, Any]) -> list[dict[str, Any]]:
        """What ranks 1, 2, ... have."""
        everybodys = [{}] * self.world
        dist.all_gather_object(everybodys, own)
        return everybodys[1:]


def average_gradients(detector: Detector) -> list[RemovableHandle]:
    """Hooks every optimiser of `detector`, and gives all workers rank 0's weights and buffers. Needs an initialised
    process group."""
    for network in detector.networks().values():
        for tensor in network.state_dict().values():
            dist.broadcast(tensor, src=0)
    return [optimizer.register_step_pre_hook(_average) for optimizer in detector.optimizers()]


def average_buffers(detector: Detector) -> None:
    """Averages running statistics (BatchNorm's), which every worker has gathered on its own part of the batches."""
    for network in detector.networks().values():
        for buffer in network.buffers():
            if buffer.is_floating_point():
                dist.all_reduce(buffer)
                buffer /= dist.get_world_size()


def buffers(detector: Detector) -> dict[str, dict[str, Tensor]]:
    """Network name -> name -> buffer, on the CPU."""
    networks = detector.networks().items()
    return {name: {key: buffer.cpu() for key, buffer in network.named_buffers()} for name, network in networks}


def take_buffers(detector: Detector, saved: dict[str, dict[str, Tensor]]) -> None:
    """Takes over what `buffers` gave."""
    for name, network in detector.networks().items():
        for key, buffer in network.named_buffers():
            buffer.copy_(saved[name][key])


def _average(optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    pending = [dist.all_reduce(gradient, async_op=True) for gradient in gradients]
    for work, gradient in zip(pending, gradients, strict=True):
        work.wait()
        gradient /= dist.get_world_size()
