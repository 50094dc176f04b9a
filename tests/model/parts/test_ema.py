"""The moving average: its formula, its warm-up, what it copies, and that training never touches it."""

import pytest
import torch
from torch import nn

from model.parts.ema import Ema


def test_it_is_the_formula_with_tensorflows_warm_up():
    network = nn.Linear(1, 1, bias=False)
    nn.init.constant_(network.weight, 0.0)
    ema, expected = Ema(network, decay=0.3), 0.0
    for step, value in enumerate([1.0, 5.0, -2.0, 4.0]):
        nn.init.constant_(network.weight, value)
        ema.update(network)
        decay = min(0.3, (1 + step) / (10 + step))
        expected = decay * expected + (1 - decay) * value
    assert decay == 0.3, "the warm-up is over"
    assert ema.average.weight.item() == pytest.approx(expected)


def test_buffers_are_those_of_the_network():
    network = nn.BatchNorm1d(2)
    ema = Ema(network, decay=0.999)
    network(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    ema.update(network)
    assert torch.equal(ema.average.running_mean, network.running_mean)


def test_it_stays_in_eval_mode_and_holds_no_trainable_parameter():
    ema = Ema(nn.Sequential(nn.Dropout(0.5), nn.Linear(2, 2)), decay=0.999).train()
    assert not any(module.training for module in ema.average.modules())
    assert not any(parameter.requires_grad for parameter in ema.parameters())


def test_it_shares_no_memory_with_its_network():
    network = nn.Linear(1, 1, bias=False)
    before = Ema(network, decay=0.999)
    kept = before.average.weight.item()
    nn.init.constant_(network.weight, 9.0)
    assert before.average.weight.item() == kept
