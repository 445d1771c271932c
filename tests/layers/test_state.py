"""The state of a layer is a named tuple that behaves as one everywhere."""

from __future__ import annotations

import copy
import pickle

import pytest
import torch
from torch.utils import _pytree as pytree

import gatewise as gw
from gatewise.layers.state import detach_state, make_state, state_type


@pytest.fixture
def state():
    layer = gw.Recurrent("lstm", 3, 5, num_layers=2)
    return layer(torch.randn(4, 2, 3))[1]


def test_is_a_named_tuple(state):
    h, c = state
    assert state.h is h
    assert state.c is c
    assert isinstance(state, tuple)
    assert state._fields == ("h", "c")
    assert state._replace(h=c).h is c
    assert state_type(("h", "c")) is type(state)


def test_one_state_is_a_named_tuple_too():
    _, state = gw.Recurrent("gru", 3, 5)(torch.randn(4, 2, 3))
    assert state._fields == ("h",)


def test_survives_pytree(state):
    doubled = pytree.tree_map(lambda leaf: 2 * leaf, state)
    assert type(doubled) is type(state)
    torch.testing.assert_close(doubled.c, 2 * state.c)
    leaves, spec = pytree.tree_flatten(state)
    assert pytree.tree_unflatten(leaves, spec).h is state.h


def test_survives_pickle_and_copy(state):
    cut = state.detach()
    for again in (pickle.loads(pickle.dumps(cut)), copy.deepcopy(cut), copy.copy(cut)):
        assert type(again) is type(state)
        torch.testing.assert_close(again.h, cut.h)


def test_detach(state):
    assert state.h.requires_grad
    cut = state.detach()
    assert type(cut) is type(state)
    assert not cut.h.requires_grad
    assert cut.h.data_ptr() == state.h.data_ptr()


def test_detach_of_any_state(state):
    x = torch.ones(2, requires_grad=True) * 1
    assert not detach_state(x).requires_grad
    assert [part.requires_grad for part in detach_state((x, x))] == [False, False]
    assert detach_state(None) is None
    ragged = make_state(("h",), ((x, x * 2),))
    assert not any(part.requires_grad for part in detach_state(ragged).h)
    _, torchs = gw.LSTM(3, 5)(torch.randn(4, 2, 3))
    assert not detach_state(torchs)[1].requires_grad


def test_truncated_backpropagation():
    layer = gw.Recurrent("lstm", 3, 5)
    _, state = layer(torch.randn(4, 2, 3))
    y, _ = layer(torch.randn(4, 2, 3), state.detach())
    y.sum().backward()
    y, _ = layer(torch.randn(4, 2, 3), state.detach())
    y.sum().backward()  # the first window's graph is not needed any more
