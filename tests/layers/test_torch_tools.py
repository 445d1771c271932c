"""Torch's tools work on our layers: function transforms, export, compile, higher derivatives."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

import gatewise as gw

MAKE = {
    "LSTM": lambda: gw.LSTM(3, 4, num_layers=2, bidirectional=True, dtype=torch.float64),
    "Recurrent": lambda: gw.Recurrent("peephole", 3, 4, num_layers=2, dtype=torch.float64),
}


@pytest.fixture(params=MAKE)
def layer(request):
    return MAKE[request.param]().eval()


@pytest.fixture
def x():
    return torch.randn(5, 2, 3, dtype=torch.float64)


def test_gradients_of_each_sample(layer, x):
    weights = {name: value.detach() for name, value in layer.named_parameters()}

    def loss(weights, x):
        return torch.func.functional_call(layer, weights, (x,))[0].square().sum()

    together = torch.func.grad(loss)(weights, x)
    samples = x.transpose(0, 1).unsqueeze(2)
    each = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(weights, samples)
    for name, gradient in together.items():
        torch.testing.assert_close(each[name].sum(0), gradient)


def test_several_sets_of_weights_at_once(layer, x):
    models = [{n: v.detach() * k for n, v in layer.named_parameters()} for k in (1.0, 0.5)]
    stacked = {name: torch.stack([m[name] for m in models]) for name in models[0]}

    def run(weights):
        return torch.func.functional_call(layer, weights, (x,))[0]

    with gw.use_backend("reference"):  # torch's own operator knows no vmap over weights
        found = torch.func.vmap(run)(stacked)
    torch.testing.assert_close(found, torch.stack([run(m) for m in models]))


def test_second_derivative(layer, x):
    def slope(x):
        x = x.requires_grad_()
        (first,) = torch.autograd.grad(layer(x)[0].square().sum(), x, create_graph=True)
        return x, first

    start, first = slope(x.clone())
    direction = torch.randn_like(x)
    (second,) = torch.autograd.grad((first * direction).sum(), start)
    step = 1e-5
    ends = [slope((x + sign * step * direction).detach())[1].detach() for sign in (1, -1)]
    torch.testing.assert_close(second, (ends[0] - ends[1]) / (2 * step), rtol=1e-5, atol=1e-8)


@pytest.mark.filterwarnings("ignore")  # the compiler looks at every attribute of every tensor
def test_compiles_and_exports(layer, x):
    expected = layer(x)[0]
    torch.testing.assert_close(torch.compile(layer, backend="eager")(x)[0], expected)
    exported = torch.export.export(layer, (x,))
    torch.testing.assert_close(exported.module()(x)[0], expected)


def test_in_a_sequential_model_with_hooks(layer, x):
    seen = []
    layer.register_forward_hook(lambda module, given, result: seen.append(result[0].shape))

    class First(nn.Module):
        def forward(self, result):
            return result[0]

    model = nn.Sequential(layer, First(), nn.LazyLinear(2, dtype=torch.float64))
    model(x).sum().backward()
    assert seen == [(5, 2, model[2].in_features)]
    assert all(p.grad is not None for p in model.parameters())


def test_moves_with_its_model(layer, x):
    assert layer.to(torch.bfloat16)(x.bfloat16())[0].dtype == torch.bfloat16
    assert layer.to("meta")(x.to("meta", torch.bfloat16))[0].is_meta
    empty = layer.to_empty(device="cpu").double()
    for value in empty.parameters():
        nn.init.zeros_(value)
    assert not empty(x)[0].any()


def test_same_results_from_several_threads(layer, x):
    expected = layer(x)[0].detach()
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(lambda _: layer(x)[0].detach(), range(16)))
    assert all(torch.equal(result, expected) for result in results)


@pytest.mark.kernels
@pytest.mark.filterwarnings("ignore")  # the compiler looks at every attribute of every tensor
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_compiles_without_a_graph_break(kind, training):
    layer, x = getattr(gw, kind)(64, 96), torch.randn(20, 8, 64)
    wanted = layer(x)[0]  # large enough for a kernel, which torch.compile leaves to torch
    torch._dynamo.reset()
    # with gradients torch cannot trace its own LSTM; like nn.LSTM, ours then runs untraced
    whole = not (kind == "LSTM" and training)
    compiled = torch.compile(layer, backend="aot_eager", fullgraph=whole)
    with torch.set_grad_enabled(training):
        y = compiled(x)[0]
    torch.testing.assert_close(y, wanted, rtol=1e-4, atol=1e-5)
    if training:
        expected = torch.autograd.grad(wanted.sum(), list(layer.parameters()))
        found = torch.autograd.grad(y.sum(), list(layer.parameters()))
        torch.testing.assert_close(found, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.kernels
@pytest.mark.filterwarnings("ignore:.*runs on the reference backend")
@pytest.mark.parametrize("H", [4, 96])  # torch's operator, and a kernel: neither knows these
def test_vmap_and_forward_mode_whatever_runs_otherwise(H):
    layer, x = gw.LSTM(3, H), torch.randn(5, 7, 2, 3)
    many = torch.func.vmap(lambda one: layer(one)[0])(x)
    torch.testing.assert_close(many, torch.stack([layer(one)[0] for one in x]))
    with gw.use_backend("reference"):
        wanted = torch.func.jvp(lambda one: layer(one)[0], (x[0],), (x[1],))
    found = torch.func.jvp(lambda one: layer(one)[0], (x[0],), (x[1],))
    torch.testing.assert_close(found, wanted)
