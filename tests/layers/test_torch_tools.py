"""Torch's tools work on our layers: function transforms, export, compile, higher derivatives."""

from __future__ import annotations

import copy
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils.checkpoint import checkpoint

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


@pytest.mark.kernels
@pytest.mark.filterwarnings("ignore:.*runs on the reference backend")
@pytest.mark.parametrize("H", [4, 96])
@pytest.mark.parametrize("kind", ["LSTM", "Recurrent"])
def test_tensors_without_memory(kind, H):
    """Torch's fake tensors know shapes alone; no kernel may touch them."""
    with FakeTensorMode():
        layer = gw.LSTM(3, H) if kind == "LSTM" else gw.Recurrent("peephole", 3, H)
        y, state = layer(torch.randn(20, 8, 3), lengths=torch.full((8,), 20))
        y.sum().backward()
    assert (y.shape, state.c.shape if kind == "Recurrent" else state[1].shape) == (
        (20, 8, H),
        (1, 8, H),
    )
    assert all(value.grad.shape == value.shape for value in layer.parameters())


@pytest.mark.kernels
@pytest.mark.filterwarnings("ignore::torch.jit.TracerWarning")
@pytest.mark.filterwarnings("ignore:.*runs on the reference backend")
def test_traces_of_old():
    layer, x = gw.GRU(64, 96).eval(), torch.randn(20, 8, 64)
    traced = torch.jit.trace(layer, x)
    torch.testing.assert_close(traced(x)[0], layer(x)[0])


def test_averaged_and_shared_models(layer, x):
    average = torch.optim.swa_utils.AveragedModel(layer)
    average.update_parameters(layer)
    assert torch.equal(average(x)[0], layer(x)[0])
    shared = copy.deepcopy(layer).share_memory()
    assert all(value.is_shared() for value in shared.parameters())
    assert torch.equal(shared(x)[0], layer(x)[0])
    assert torch.equal(nn.DataParallel(layer)(x)[0], layer(x)[0])


@pytest.mark.kernels
@pytest.mark.parametrize("reentrant", [False, True])
def test_checkpoints(layer, x, reentrant):
    x.requires_grad_()

    def run(x):
        return layer(x)[0]

    wanted = torch.autograd.grad(run(x).sum(), [x, *layer.parameters()])
    checkpoint(run, x, use_reentrant=reentrant).sum().backward()
    for found, right in zip([x, *layer.parameters()], wanted, strict=True):
        torch.testing.assert_close(found.grad, right)
