"""The moving average of a network's weights, with which EGBAD and ALAD score."""

import copy

import torch
from torch import Tensor, nn


class Ema(nn.Module):
    """An exponential moving average of a network, in eval mode; it is called as the network is.

    The decay rises to its final value as min(decay, (1 + n) / (10 + n)) over the steps n, as TensorFlow's does when it
    is told n: without it, the average of a training of a few hundred steps would be made of the initial weights.
    Buffers (BatchNorm's statistics) are copied, not averaged.
    """

    def __init__(self, network: nn.Module, decay: float):
        super().__init__()
        self.decay = decay
        self.average = copy.deepcopy(network).requires_grad_(False).eval()
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Move towards the network's weights of now."""
        decay = ((1 + self.steps) / (10 + self.steps)).clamp(max=self.decay)
        for average, now in zip(self.average.parameters(), network.parameters(), strict=True):
            average.lerp_(now, 1 - decay)
        for average, now in zip(self.average.buffers(), network.buffers(), strict=True):
            average.copy_(now)
        self.steps += 1

    def train(self, mode: bool = True) -> "Ema":
        """The average stays in eval mode."""
        return self

    def forward(self, *inputs: Tensor) -> Tensor | tuple[Tensor, ...]:
        """What the network returns for these inputs, by the averaged weights."""
        return self.average(*inputs)
