"""torch.compile for training steps. Scores stay as they are: they come in batches of all sizes, each of which would be
compiled, and a kept detector must score as it did.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from model.contract import Detector


def compile_steps(detector: Detector) -> None:
    """Compiles the networks that it trains, each when a step first calls it; in eval mode they go uncompiled. What was
    compiled for an earlier detector of this process and the same shapes is used again."""
    torch._functorch.config.donated_buffer = False  # else no GAN could take two gradients of what D says
    trained = {p for optimizer in detector.optimizers() for group in optimizer.param_groups for p in group["params"]}
    for network in detector.networks().values():
        if not trained.isdisjoint(network.parameters()):
            network.forward = _compiled_in_training(network)


def _compiled_in_training(network: nn.Module) -> Callable[..., Any]:
    eager, compiled = network.forward, torch.compile(network.forward)

    def forward(*inputs: Tensor) -> Any:
        is_penalised = any(x.is_leaf and x.requires_grad for x in inputs)  # its gradient has one, which none compiles
        return (compiled if network.training and not is_penalised else eager)(*inputs)

    return forward
