"""Data parallelism for detectors that own several networks and optimisers: every optimiser averages gradients over the
workers before it steps.

The workers start from equal weights and apply equal gradients, so they stay equal, as under DistributedDataParallel.
That wrapper expects one forward and one backward pass of one network per step; a GAN's step passes its discriminator
several times and its generator through it.
"""

import torch.distributed as dist
from torch.optim import Optimizer
from torch.utils.hooks import RemovableHandle

from model.contract import Detector


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


def _average(optimizer: Optimizer, args: tuple, kwargs: dict) -> None:
    gradients = [p.grad for group in optimizer.param_groups for p in group["params"] if p.grad is not None]
    pending = [dist.all_reduce(gradient, async_op=True) for gradient in gradients]
    for work, gradient in zip(pending, gradients, strict=True):
        work.wait()
        gradient /= dist.get_world_size()
