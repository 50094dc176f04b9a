"""One step of several networks: each loss moves its own network, and all gradients are of the weights before."""

import pytest
import torch
from torch import nn

from model.parts.descent import AdamHParams, adam, descend


def two_weights() -> tuple[nn.Linear, nn.Linear]:
    first, second = nn.Linear(1, 1, bias=False), nn.Linear(1, 1, bias=False)
    nn.init.constant_(first.weight, 2.0)
    nn.init.constant_(second.weight, 3.0)
    return first, second


def test_gradients_belong_to_the_weights_before_the_first_step_and_to_their_own_network():
    first, second = two_weights()
    product = (first.weight * second.weight).sum()
    descend((torch.optim.SGD(first.parameters(), 1.0), product), (torch.optim.SGD(second.parameters(), 1.0), product))
    assert first.weight.item() == 2.0 - 3.0
    assert second.weight.item() == 3.0 - 2.0, "not 3 - (-1), as it would be after the first step"


def test_a_network_without_an_optimiser_here_gets_no_gradient():
    first, second = two_weights()
    descend((torch.optim.SGD(first.parameters(), 1.0), (first.weight * second.weight).sum()))
    assert second.weight.grad is None and second.weight.item() == 3.0


def test_gradients_do_not_add_up_over_calls():
    first, _ = two_weights()
    optimizer = torch.optim.SGD(first.parameters(), 1e-9)
    for _ in range(3):
        descend((optimizer, first.weight.sum()))
    assert first.weight.grad.item() == 1.0


def test_adam_covers_every_network_with_the_options_asked_for():
    first, second = two_weights()
    optimizer = adam(AdamHParams(lr=0.5, beta1=0.1, beta2=0.2), first, second)
    (group,) = optimizer.param_groups
    assert [p is q for p, q in zip(group["params"], (first.weight, second.weight), strict=True)] == [True, True]
    assert (group["lr"], group["betas"]) == (0.5, (0.1, 0.2))


@pytest.mark.parametrize("option", [{"lr": 0}, {"beta1": 1.0}, {"beta2": -0.1}])
def test_a_bad_option_is_refused(option):
    with pytest.raises(ValueError, match=f"^{next(iter(option))} is"):
        AdamHParams(**option)
