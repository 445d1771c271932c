"""Under autocast layers take bfloat16, compute and carry states in float32, return bfloat16."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import gatewise as gw
from gatewise.backends.choose import BACKENDS
from gatewise.backends.llvm.target import host
from gatewise.backends.rounded import RoundedProducts
from tests.layers.torch_pairs import tensors

T, B = 12, 4
SIZES = [(12, 6), (96, 48)]  # torch's operator and a kernel, where both are to be had
"""Inputs are as wide as both directions' outputs: the same kernels then serve a second layer."""
MAKE = {
    "LSTM": gw.LSTM,
    "GRU": gw.GRU,
    "RNN": gw.RNN,
    "Recurrent": lambda *sizes, **options: gw.Recurrent("peephole", *sizes, **options),
}


@pytest.fixture(params=[False, pytest.param(True, marks=pytest.mark.kernels)], ids=["", "kernels"])
def _with_and_without_kernels(request):
    """The reference and torch's operators; then whatever runs by default."""


def mixed():
    return torch.autocast("cpu", torch.bfloat16)


def rounds(sizes):
    """Whether a kernel takes such a call, and multiplies in bfloat16."""
    return "llvm" in BACKENDS and host().may_multiply_tiles() and sizes == SIZES[1]


def gradients(layer, y, x):
    weights = list(layer.parameters())
    return torch.autograd.grad(y.float().square().mean(), [*weights, x])


@pytest.mark.usefixtures("_with_and_without_kernels")
@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", MAKE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_states_keep_their_precision(kind, sizes, dtype):
    layer = MAKE[kind](*sizes, num_layers=2, bidirectional=True)
    x = torch.randn(T, B, sizes[0]).to(dtype).requires_grad_()
    with mixed():
        y, state = layer(x)
        again, _ = layer(x, state)  # what comes out goes in again
    wanted, wanted_state = layer(x.float())
    assert y.dtype == again.dtype == torch.bfloat16
    assert {part.dtype for part in tensors(state)} == {torch.float32}
    if not rounds(sizes):
        assert torch.equal(y, wanted.bfloat16())
        torch.testing.assert_close(tensors(state), tensors(wanted_state))
        assert torch.equal(again, layer(x.float(), wanted_state)[0].bfloat16())
    found, expected = gradients(layer, y, x), gradients(layer, wanted, x)
    for mine, right in zip(found, expected, strict=True):
        assert mine.dtype == right.dtype
        # y was rounded, and with it what flows back: half a unit in its last place, eight bits;
        # products of rounded factors add as much at every step
        assert (mine - right).norm() <= 2**-8 * (T if rounds(sizes) else 1) * right.norm()


@pytest.mark.kernels
@pytest.mark.skipif(not host().may_multiply_tiles(), reason="no matrix tiles of bfloat16 here")
@pytest.mark.parametrize("kind", MAKE)
def test_products_of_kernels_are_rounded(kind):
    layer, x = MAKE[kind](*SIZES[1]), torch.randn(T, B, SIZES[1][0])
    with mixed():
        assert "products in bfloat16" in layer.explain(x)[0].details
        y, state = layer(x)
        again, _ = torch.compile(layer, backend="eager", fullgraph=True)(x)
    with gw.use_backend("reference"), RoundedProducts():
        wanted, wanted_state = layer(x)
    # a factor between two numbers of eight bits may be rounded either way
    torch.testing.assert_close(tensors(state), tensors(wanted_state), rtol=0, atol=2**-12)
    torch.testing.assert_close(y, wanted.bfloat16(), rtol=2**-7, atol=2**-12)
    assert torch.equal(again, y)


@pytest.mark.kernels
@pytest.mark.skipif(not host().may_multiply_tiles(), reason="no matrix tiles of bfloat16 here")
def test_what_is_computed_again_is_rounded_alike():
    """The backward pass of segments comes when autocast is off."""
    plain = gw.Recurrent("lstm", *SIZES[1])
    light = gw.Recurrent("lstm", *SIZES[1], recompute=4)
    light.load_state_dict(plain.state_dict())
    x, found = torch.randn(T, B, SIZES[1][0]), []
    for layer in (plain, light):
        start = x.clone().requires_grad_()
        with mixed():
            y, _ = layer(start)
        found.append([y, *gradients(layer, y, start)])
    for mine, right in zip(*found, strict=True):
        assert (mine - right).norm() <= 2**-8 * right.norm()


@pytest.mark.kernels
def test_parametrized_weights_are_computed_in_their_own_precision():
    """Autocast is off before a weight is made of others; a kernel takes no bfloat16 weights."""
    layer, x = gw.GRU(4, 16), torch.randn(T, B, 4)
    low = nn.utils.parametrizations.weight_norm(layer, "weight_hh_l0")
    nn.utils.parametrize.register_parametrization(layer, "weight_ih_l0", LowRank())
    with mixed():
        y, _ = low(x)
    torch.testing.assert_close(y, layer(x)[0].bfloat16())


class LowRank(nn.Module):
    def forward(self, weight):
        return weight[:, :2] @ weight[:2, :]


@pytest.mark.parametrize("sizes", SIZES)
@pytest.mark.parametrize("kind", ["LSTM", "GRU", "RNN"])
def test_close_to_torch_under_autocast(kind, sizes):
    theirs, ours = getattr(nn, kind)(*sizes), getattr(gw, kind)(*sizes)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(T, B, sizes[0], dtype=torch.bfloat16)
    with mixed():
        found, wanted = ours(x)[0], theirs(x)[0]
    assert found.dtype == wanted.dtype
    # torch rounds every product and state to bfloat16, at each of T steps
    torch.testing.assert_close(found, wanted, rtol=0, atol=2**-8 * T / 2)
    exact = theirs.double()(x.double())[0]
    assert (found - exact).abs().max() <= (wanted - exact).abs().max()  # and ours is the nearer


def test_every_way_to_call():
    layer = gw.Recurrent("cfc", 4, 4, batch_first=True)
    x, dt = torch.randn(B, T, 4).bfloat16(), torch.rand(B, T).bfloat16()
    names = [name for name in layer.graph.inputs if name != "x"]
    with mixed():
        y, state = layer(x, lengths=[3, T, 0, 5], reset=torch.rand(B, T) < 0.2, **{names[0]: dt})
    assert (y.dtype, state[0].dtype) == (torch.bfloat16, torch.float32)
    packed = pack_padded_sequence(x, torch.tensor([3, T, 1, 5]), True, enforce_sorted=False)
    lstm = gw.LSTM(4, 4)
    with mixed():
        y, (h, c) = lstm(packed, tuple(torch.zeros(1, B, 4).bfloat16() for _ in "hc"))
    assert (y.data.dtype, h.dtype, c.dtype) == (torch.bfloat16, torch.float32, torch.float32)
    step = gw.Step("peephole", 4, 4)
    with mixed():
        y, state = step(x[:, 0])
    assert (y.dtype, state.c.dtype) == (torch.bfloat16, torch.float32)


def test_double_precision_is_left_alone():
    layer, x = gw.LSTM(4, 5, dtype=torch.float64), torch.randn(T, B, 4)
    with mixed():
        y, _ = layer(x)
    assert y.dtype == torch.float64
    assert torch.equal(y, layer(x.double())[0])


def test_torchs_operator_keeps_its_own_rules_where_it_was_asked_for():
    theirs, ours = nn.LSTM(4, 5), gw.LSTM(4, 5)
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(T, B, 4)
    with mixed(), gw.use_backend("torch"):
        found, wanted = ours(x), theirs(x)
    assert all(map(torch.equal, tensors(found), tensors(wanted)))
    assert found[1][1].dtype == torch.bfloat16


def test_a_training_step_with_autocast_and_an_optimizer():
    torch.manual_seed(0)
    model = nn.ModuleList([gw.GRU(4, 16), gw.Recurrent("mgu", 16, 16), nn.Linear(16, 4)])
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    x, losses = torch.randn(T, B, 4), []
    for _ in range(30):
        with mixed():
            y = x
            for layer in model[:2]:
                y, _ = layer(y)
            loss = nn.functional.mse_loss(model[2](y).float(), x)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.7 * losses[0]
