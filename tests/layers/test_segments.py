"""Segments that are computed again: the same numbers, and less that is kept."""

from __future__ import annotations

import copy

import pytest
import torch

import gatewise as gw
from gatewise.layers.segments import segment_steps
from tests.layers.recurrent_layers import B, H, I, close, layer_of, x_of

T = 11


def kept_bytes(layer, *arguments, **options):
    """What autograd keeps of a call, without the caller's own input and weights."""
    own = {t.untyped_storage().data_ptr() for t in (*arguments, *layer.parameters())}
    kept = {}

    def pack(tensor):
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            kept[storage.data_ptr()] = tensor  # lives on, so that no other takes its address
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor):
        result = layer(*arguments, **options)
    del result
    return sum(tensor.untyped_storage().nbytes() for tensor in kept.values())


def gradients(layer, x, **options):
    x = x.clone().requires_grad_()
    torch.manual_seed(2)
    y, state = layer(x, **options)
    loss = y.sin().sum() + sum((part**2).sum() for part in state)
    return [y, *state, *torch.autograd.grad(loss, [x, *layer.parameters()])]


@pytest.mark.parametrize("backend", ["reference", pytest.param("llvm", marks=pytest.mark.kernels)])
@pytest.mark.parametrize("steps", [1, 4, True])
@pytest.mark.parametrize("bidirectional", [False, True])
def test_same_results_and_gradients(backend, steps, bidirectional):
    options = dict(
        bidirectional=bidirectional, learn_initial=True, recurrent_dropout=0.3, zoneout=0.2
    )
    plain, layer = layer_of("lstm", 2, **options), layer_of("lstm", 2, recompute=steps, **options)
    call = dict(lengths=[5, 0, T], reset=torch.rand(T, B) < 0.3)
    x = x_of(T, B)
    with gw.use_backend(backend):
        for a, c in zip(gradients(layer, x, **call), gradients(plain, x, **call), strict=True):
            close(a, c)


@pytest.mark.parametrize("name", ["lstm", "antisymmetric", "cfc"])
def test_second_derivatives(name):
    layer = gw.Recurrent(name, 2, 2, recompute=2, bidirectional=True, dtype=torch.float64)
    x = torch.randn(4, 1, 2, dtype=torch.float64, requires_grad=True)
    dt = torch.rand(4, 1, 1, dtype=torch.float64)
    inputs = {"dt": dt} if name == "cfc" else {}
    assert torch.autograd.gradgradcheck(lambda x: layer(x, **inputs)[0], (x,))


@pytest.mark.kernels
def test_a_second_backward_pass_and_several_at_once():
    layer, x = layer_of("lstm", recompute=3), x_of(T, B).requires_grad_()
    y, (_, c) = layer(x)
    flow = torch.randn_like(y)
    first, second = (torch.autograd.grad(y, x, flow, retain_graph=True)[0] for _ in range(2))
    assert torch.equal(first, second)
    flows = torch.stack([flow, 2 * flow])
    (both,) = torch.autograd.grad(y, x, flows, retain_graph=True, is_grads_batched=True)
    close(both, torch.stack([first, 2 * first]))
    (of_state,) = torch.autograd.grad(c.sum(), x)  # nothing was asked of the output
    assert of_state.abs().sum() > 0


def test_backward_pass_takes_the_backend_of_the_forward_pass(monkeypatch):
    layer, x = layer_of("lstm", recompute=3), x_of(T, B)
    with gw.use_backend("reference"):
        y, _ = layer(x)

    def fail(*_):
        raise AssertionError("another backend was chosen")

    monkeypatch.setitem(gw.backends.choose.__globals__["BACKENDS"], "reference", Refuser(fail))
    y.sum().backward()
    assert layer.U_l0.grad is not None


class Refuser:
    name = "refuser"

    def __init__(self, fail):
        self.refusal = self.run = self.describe = fail


@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_drop_in_layers(kind):
    torch.manual_seed(0)
    layer = getattr(gw, kind)(I, H, 2, bidirectional=True, recompute=4)
    plain = getattr(gw, kind)(I, H, 2, bidirectional=True)
    plain.load_state_dict(layer.state_dict())
    x = torch.randn(T, B, I)
    results = []
    for each in (layer, plain):
        leaf = x.clone().requires_grad_()
        y, _ = each(leaf)
        results.append([y, *torch.autograd.grad(y.sin().sum(), [leaf, *each.parameters()])])
    for a, c in zip(*results, strict=True):
        torch.testing.assert_close(a, c)


@pytest.mark.kernels
@pytest.mark.parametrize("name", ["lstm", "gru"])
def test_keeps_less(name):
    x = torch.randn(400, 4, 8)
    plain, layer = gw.Recurrent(name, 8, 8), gw.Recurrent(name, 8, 8, recompute=20)
    with gw.use_backend("llvm"):
        assert kept_bytes(layer, x) < 0.15 * kept_bytes(plain, x)
        layer.eval()
        with torch.no_grad():
            assert kept_bytes(layer, x) == 0


def test_frozen_layer_keeps_nothing():
    layer = layer_of("lstm", recompute=2).requires_grad_(False)
    x = x_of(T, B)
    y, _ = layer(x)
    assert not y.requires_grad
    y, _ = layer(x.requires_grad_())
    y.sum().backward()
    assert x.grad is not None


def test_explanation_tells_of_segments():
    layer, x = layer_of("lstm", recompute=4, bidirectional=True), x_of(T, B)
    ahead, back = layer.explain(x)
    assert ahead.what == f"lstm, {T} steps of {B} sequences"
    assert back.what == f"lstm in reverse, {T} steps of {B} sequences"
    assert ahead.details.startswith(
        "3 segments of up to 4 steps, each computed again in the backward"
    )
    with torch.no_grad():
        assert "segments" not in layer.explain(x)[0].details


def test_transforms_of_torch_func():
    layer, x = layer_of("lstm", recompute=2), x_of(T, B)
    (expected,) = torch.autograd.grad(layer(x.requires_grad_())[0].sum(), x)
    close(torch.func.grad(lambda x: layer(x)[0].sum())(x.detach()), expected)


@pytest.mark.parametrize(
    ("T", "B", "recompute", "steps"),
    [
        (4000, 8, True, [852, 852, 852, 852, 592]),  # a quarter and a seventh
        (25, 128, True, [5, 5, 5, 5, 5]),  # √T
        (100, 8, True, [36, 64]),  # 512 rows
        (50, 8, True, [50]),
        (0, 0, True, [0]),
        (12, 8, 4, [4, 4, 4]),
        (13, 8, 5, [4, 4, 5]),
        (3, 8, 1, [1, 1, 1]),
        (3, 8, 7, [3]),
    ],
)
def test_steps_of_segments(T, B, recompute, steps):
    assert segment_steps(T, B, recompute) == steps


@pytest.mark.parametrize("wrong", [-1, 2.5, "yes"])
def test_wrong_option(wrong):
    with pytest.raises(ValueError, match=r"recompute=.*: True, or a number of steps"):
        gw.Recurrent("lstm", I, H, recompute=wrong)


def test_copies_keep_the_option():
    layer = layer_of("lstm", recompute=4)
    assert copy.deepcopy(layer).options == layer.options
    assert "recompute=4" in repr(layer)
