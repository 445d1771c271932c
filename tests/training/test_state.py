from collections import namedtuple

import pytest
import torch
from torch import nn

from gatewise.training.optimizers import OPTIMIZERS, build_optimizer
from gatewise.training.state import (
    pack_optimizer,
    pack_state,
    unpack_optimizer,
    unpack_state,
)

State = namedtuple("State", "h c")


@pytest.mark.parametrize(
    "state",
    [torch.ones(2), (torch.ones(2), torch.zeros(3)), State(torch.ones(2), (torch.zeros(3),)), None],
    ids=["tensor", "tuple", "named", "none"],
)
def test_states_come_back(state):
    packed = pack_state(state)
    again = unpack_state(state, packed, torch.device("cpu"))
    assert type(again) is type(state)
    assert repr(again) == repr(state)


def test_no_state_comes_back_as_none_whatever_it_would_be_like():
    assert unpack_state(torch.ones(2), {"model.a": torch.ones(2)}, torch.device("cpu")) is None


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_optimizers_come_back(name):
    def steps(model, optimizer, count):
        for _ in range(count):
            optimizer.zero_grad()
            model(torch.ones(2, 3)).square().sum().backward()
            optimizer.step()

    def build():
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        return model, build_optimizer(name, model, 0.01)

    model, optimizer = build()
    steps(model, optimizer, 3)
    other, fresh = build()
    other.load_state_dict(model.state_dict())
    tensors, others = pack_optimizer(optimizer)
    unpack_optimizer(fresh, {key: value.clone() for key, value in tensors.items()}, others)
    steps(model, optimizer, 3)
    steps(other, fresh, 3)
    assert torch.equal(model.weight, other.weight)
