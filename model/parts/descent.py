"""How the GANs here descend: Adam's hyper-parameters, and one step of several networks at once."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import Optimizer

from model.contract import check_number


@dataclass(frozen=True)
class AdamHParams:
    """Adam's options, by default DCGAN's. Raises a one-line ValueError for a value out of range."""

    lr: float = 2e-4
    beta1: float = 0.5
    beta2: float = 0.999

    def __post_init__(self) -> None:
        check_number("lr", self.lr, above=0, example=2e-4)
        check_number("beta1", self.beta1, least=0, below=1, example=0.5)
        check_number("beta2", self.beta2, least=0, below=1, example=0.999)


def adam(hparams: AdamHParams, *networks: nn.Module) -> torch.optim.Adam:
    """Adam over all parameters of the networks, which are on their device already."""
    parameters = [parameter for network in networks for parameter in network.parameters()]
    return torch.optim.Adam(parameters, hparams.lr, (hparams.beta1, hparams.beta2), fused=True)


def descend(*parts: tuple[Optimizer, Tensor]) -> None:
    """Take one step of each optimiser down its own loss, a 0-d tensor.

    A loss reaches the parameters of its optimiser alone, whatever else its graph holds, and all gradients belong to the
    weights before the first step. The losses may share their graph.
    """
    for optimizer, _ in parts:
        optimizer.zero_grad()
    for place, (optimizer, loss) in enumerate(parts, start=1):
        parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
        loss.backward(inputs=parameters, retain_graph=place < len(parts))
    for optimizer, _ in parts:
        optimizer.step()
