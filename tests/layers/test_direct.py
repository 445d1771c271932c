"""Plain calls take a short way to the kernels, and compute what the long way computes."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.layers import direct

pytestmark = pytest.mark.kernels

# inputs are as wide as both directions' outputs: the same kernels then serve a second layer
LAYERS = {
    "LSTM": lambda **o: gw.LSTM(10, 5, **o),
    "LSTM with projection": lambda **o: gw.LSTM(10, 7, proj_size=5, **o),
    "GRU": lambda **o: gw.GRU(10, 5, **o),
    "GRU without bias": lambda **o: gw.GRU(10, 5, bias=False, **o),
    "RNN": lambda **o: gw.RNN(10, 5, **o),
    "peephole": lambda **o: gw.Recurrent("peephole", 10, 5, **o),
    "started": lambda **o: gw.Recurrent("lstm", 10, 5, initial={"c": 0.5}, **o),
    "expressions of weights": lambda **o: gw.Recurrent("antisymmetric", 10, 5, **o),
}
OPTIONS = {
    "plain": {},
    "batch first": {"batch_first": True},
    "stack of both directions": {"num_layers": 2, "bidirectional": True},
}


@contextlib.contextmanager
def long_way():
    """Inside, nothing is direct."""
    before, direct.is_undisturbed = direct.is_undisturbed, lambda: False
    try:
        yield
    finally:
        direct.is_undisturbed = before


@pytest.fixture
def seen(monkeypatch):
    """The results of the short way: None for those calls that are special."""
    found, run = [], direct._run

    def watched(*arguments):
        found.append(run(*arguments))
        return found[-1]

    monkeypatch.setattr(direct, "_run", watched)
    return found


def leaves(tree):
    return [tree] if isinstance(tree, torch.Tensor) else [t for part in tree for t in leaves(part)]


def gradients(layer, x, state):
    results = leaves(layer(x) if state is None else layer(x, state))
    total = sum(
        (value * torch.arange(1.0, value.numel() + 1).view_as(value)).sum() for value in results
    )
    wanted = [x, *([] if state is None else leaves(state)), *layer.parameters()]
    return [*results, *torch.autograd.grad(total, wanted)]


@pytest.mark.parametrize("given", [False, True], ids=["from the start", "from a state"])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
@pytest.mark.parametrize("make", LAYERS.values(), ids=LAYERS)
def test_both_ways_compute_the_same(make, options, given):
    layer, x = make(**options), torch.randn(4, 4, 10, requires_grad=True)
    state = None
    if given:
        state = layer(x)[1]
        state = state.detach() if isinstance(state, torch.Tensor) else [*map(torch.detach, state)]
        state = (
            state.requires_grad_()
            if isinstance(state, torch.Tensor)
            else tuple(part.requires_grad_() for part in state)
        )
    short = gradients(layer, x, state)
    with long_way():
        expected = gradients(layer, x, state)
    for found, wanted in zip(short, expected, strict=True):
        assert found.shape == wanted.shape
        assert torch.equal(found, wanted)


def test_plain_calls_are_direct(seen):
    layer = gw.LSTM(10, 5)
    with torch.no_grad():
        layer(torch.randn(4, 2, 10))
    layer(torch.randn(4, 2, 10), (torch.zeros(1, 2, 5), torch.zeros(1, 2, 5)))
    assert len(seen) == 2
    assert None not in seen


@pytest.mark.parametrize(
    "call",
    [
        lambda layer, x: layer(x[:, 0]),
        lambda layer, x: layer(nn.Parameter(x)),
        lambda layer, x: layer(x, lengths=[4, 1]),
        lambda layer, x: layer.explain(x),
    ],
    ids=["no batch", "a parameter", "lengths", "explained"],
)
def test_special_calls_are_not(seen, call):
    layer = gw.LSTM(10, 5)
    call(layer, torch.randn(4, 2, 10))
    assert all(found is None for found in seen)


@pytest.mark.filterwarnings("ignore:.*runs on the reference backend")
def test_transforms_of_functions_are_not(seen):
    layer = gw.GRU(10, 5)
    torch.func.vmap(lambda x: layer(x)[0])(torch.randn(6, 4, 2, 10))
    assert seen == []


def test_tracing_and_intervening_see_every_call(seen):
    layer, x = gw.LSTM(10, 5), torch.randn(4, 2, 10)
    with gw.trace(layer) as t:
        y, _ = layer(x)
    torch.testing.assert_close(t.only.h, y)
    with gw.intervene(layer, gw.ablate("", units=[1])):
        assert not layer(x)[0][..., 1].any()
    assert seen == []


@pytest.mark.parametrize(
    ("x", "state", "error"),
    [
        (torch.zeros(4, 2, 4), None, RuntimeError),
        (torch.zeros(4, 2, 10, dtype=torch.float64), None, ValueError),
        (torch.zeros(0, 2, 10), None, RuntimeError),
        (torch.zeros(4, 2, 10), (torch.zeros(1, 2, 4), torch.zeros(1, 2, 5)), RuntimeError),
        (torch.zeros(4, 2, 10), torch.zeros(1, 2, 5), RuntimeError),
    ],
)
def test_mistakes_are_named_as_ever(x, state, error):
    with pytest.raises(error):
        gw.LSTM(10, 5)(x, state)


def test_a_weight_of_another_shape_is_never_read():
    layer = gw.LSTM(10, 5)
    layer.weight_hh_l0 = nn.Parameter(torch.zeros(20, 2))
    with pytest.raises(RuntimeError, match=r"U.i has shape \(5, 2\), but lstm needs \(5, 5\)"):
        layer(torch.zeros(4, 2, 10))


def test_what_inference_mode_made_serves_training():
    layer, x = gw.LSTM(3, 7), torch.randn(4, 2, 3)
    with torch.inference_mode():
        expected, _ = layer(x)
    y, _ = layer(x)
    y.sum().backward()
    torch.testing.assert_close(y, expected.clone())
    assert layer.weight_hh_l0.grad is not None


def test_weights_may_move_and_change_between_calls():
    layer, x = gw.GRU(10, 5), torch.randn(4, 2, 10)
    with torch.no_grad():
        before = layer(x)[0]
        layer.weight_hh_l0.mul_(0.5)
        layer.weight_ih_l0.data = layer.weight_ih_l0.t().contiguous().t()
        after = layer(x)[0]
        with long_way():
            assert torch.equal(after, layer(x)[0])
    assert not torch.equal(before, after)


def test_dropout_between_layers_falls_as_it_would():
    layer, x = gw.LSTM(5, 5, num_layers=3, dropout=0.5), torch.randn(4, 2, 5)
    torch.manual_seed(1)
    short = layer(x)[0]
    torch.manual_seed(1)
    with long_way():
        assert torch.equal(short, layer(x)[0])
