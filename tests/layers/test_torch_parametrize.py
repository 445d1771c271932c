"""Weights that are computed from others: parametrizations and pruning, in any layer."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

import gatewise as gw

T, B = 6, 3
MAKE = {
    "LSTM": lambda: gw.LSTM(5, 6, num_layers=2, bidirectional=True),
    "LSTM with projection": lambda: gw.LSTM(5, 6, proj_size=3),
    "GRU": lambda: gw.GRU(5, 6, bias=False),
    "RNN": lambda: gw.RNN(5, 6),
    "peephole": lambda: gw.Recurrent("peephole", 5, 6, num_layers=2),
    "rhn": lambda: gw.Recurrent("rhn", 5, 6),
}
MATRICES = [
    (kind, name)
    for kind, make in MAKE.items()
    for name, value in make().named_parameters()
    if value.dim() == 2
]
BACKENDS = ["reference", pytest.param("llvm", marks=pytest.mark.kernels)]
NORMS = {
    "weight_norm": parametrizations.weight_norm,
    "spectral_norm": parametrizations.spectral_norm,
    "orthogonal": parametrizations.orthogonal,
}


def made(kind):
    torch.manual_seed(1)
    return MAKE[kind]().eval()


def plain_twin(kind, layer):
    """A layer without parametrizations whose weights are the effective ones."""
    twin = made(kind)
    with torch.no_grad():
        for name, value in twin.named_parameters():
            value.copy_(getattr(layer, name))
    return twin


@pytest.mark.parametrize(("kind", "name"), MATRICES)
@pytest.mark.parametrize("norm", NORMS)
def test_norms(kind, name, norm):
    layer, x = made(kind), torch.randn(T, B, 5)
    NORMS[norm](layer, name)
    with gw.use_backend("reference"):
        y, _ = layer(x)
        twin = plain_twin(kind, layer)
        torch.testing.assert_close(y, twin(x)[0])
        y.sum().backward()
        assert all(value.grad is not None for value in layer.parameters())
        other = copy.deepcopy(layer)
        other.load_state_dict(layer.state_dict())
        assert torch.equal(other(x)[0], y)
        parametrize.remove_parametrizations(layer, name)
        torch.testing.assert_close(layer(x)[0], y)
    assert name in dict(layer.named_parameters())


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", MAKE)
def test_several_at_once_learn(kind, backend):
    layer, x = made(kind).train(), torch.randn(T, B, 5)
    matrices = [name for chosen, name in MATRICES if chosen == kind]
    for name, norm in zip(matrices, [*NORMS.values()] * len(matrices), strict=False):
        norm(layer, name)
    optimizer, losses = torch.optim.SGD(layer.parameters(), lr=0.1), []
    with gw.use_backend(backend):
        for _ in range(5):
            loss = layer(x)[0].sub(0.3).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    assert losses[-1] < losses[0]


class Counted(nn.Module):
    """A parametrization that counts how often it is computed."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def forward(self, weight):
        self.count += 1
        return 2 * weight


@pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN")
@pytest.mark.parametrize("backend", ["torch", *BACKENDS])
@pytest.mark.parametrize("kind", MAKE)
def test_a_weight_is_computed_once_a_call(kind, backend):
    """More is a waste, and spectral norm iterates each time."""
    layer = made(kind)
    if backend == "torch" and isinstance(layer, gw.Recurrent):
        return  # torch has no operator for it
    counts = {}
    for name, _ in list(layer.named_parameters()):
        counts[name] = Counted()
        parametrize.register_parametrization(layer, name, counts[name])
    for each in counts.values():
        each.count = 0
    with gw.use_backend(backend):
        layer(torch.randn(T, B, 5))
    assert {name: each.count for name, each in counts.items()} == dict.fromkeys(counts, 1)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("kind", MAKE)
def test_pruning(kind, backend):
    layer, x = made(kind).train(), torch.randn(T, B, 5)
    matrices = [name for chosen, name in MATRICES if chosen == kind]
    chosen = [(layer, name) for name in matrices]
    prune.global_unstructured(chosen, prune.L1Unstructured, amount=0.5)
    with gw.use_backend(backend):
        y, _ = layer(x)
        y.square().sum().backward()
        torch.testing.assert_close(y, plain_twin(kind, layer)(x)[0])
        zeros = 0
        for name in matrices:
            mask = getattr(layer, f"{name}_mask")
            zeros += int((mask == 0).sum())
            gradient = getattr(layer, f"{name}_orig").grad
            assert not gradient[mask == 0].any()
            assert gradient[mask == 1].any()
        assert zeros == round(sum(getattr(layer, name).numel() for name in matrices) / 2)
        layer(x)  # a mask is applied anew at every call
        for name in matrices:
            prune.remove(layer, name)
        torch.testing.assert_close(layer(x)[0], y)
    assert set(matrices) <= set(dict(layer.named_parameters()))


def test_norms_of_old():
    layer, x = made("LSTM"), torch.randn(T, B, 5)
    before = layer(x)[0]
    nn.utils.weight_norm(layer, "weight_hh_l0")
    torch.testing.assert_close(layer(x)[0], before)
    layer(x)[0].sum().backward()
    assert layer.weight_hh_l0_g.grad is not None
