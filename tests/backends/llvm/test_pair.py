"""Two directions side by side compute what they compute one after the other, bit for bit."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends import Operands, run_all
from gatewise.backends.llvm import pair
from gatewise.backends.llvm.ir.job import shares
from gatewise.backends.llvm.kernel import Kernel

KINDS = ("lstm", "gru_original", "lstm_layer_norm", "slstm", "rhn", "antisymmetric")
"""One of each kind of step; the last multiplies by an expression of its weights."""


@pytest.fixture
def team():
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def pairs(monkeypatch):
    """Say whether directions run side by side; counts how often they do."""
    ran = []
    run = Kernel.pairs_well
    monkeypatch.setattr(pair, "_run", lambda *a, own=pair._run: ran.append(a) or own(*a))

    def choose(together: bool | None) -> list:
        choice = run if together is None else lambda *_: together
        monkeypatch.setattr(Kernel, "pairs_well", choice)
        ran.clear()
        return ran

    return choose


def results(layer, x, state=None, use=lambda y, last: y.sin().sum() + last.cos().sum(), **options):
    """Output, last states and the gradients of everything that learns."""
    layer.zero_grad()
    x = x.clone().requires_grad_()
    y, last = layer(x, state, **options)
    parts = [last] if isinstance(last, torch.Tensor) else list(last)
    use(y, torch.cat([part.flatten() for part in parts])).backward()
    with torch.no_grad():
        inferred, _ = layer(x, state, **options)
    learned = [x, *layer.parameters()]
    return [y.detach(), *(part.detach() for part in parts), inferred, *(p.grad for p in learned)]


def assert_bitwise_equal(found, expected) -> None:
    assert len(found) == len(expected)
    for k, (value, wanted) in enumerate(zip(found, expected, strict=True)):
        assert (value is None) == (wanted is None), k
        assert value is None or torch.equal(value, wanted), k


def assert_alike(pairs, make, **options) -> None:
    """Side by side as one after the other."""
    torch.manual_seed(0)
    layer, x = make(), torch.randn(9, 3, 5)
    ran = pairs(False)
    expected = results(layer, x, **options)
    assert not ran
    ran = pairs(True)
    assert_bitwise_equal(results(layer, x, **options), expected)
    assert len(ran) >= 3  # forwards, backwards, inference


@pytest.mark.parametrize("threads", [2, 3, 5])
def test_bits_do_not_change_with_threads(threads, team, pairs):
    team(threads)
    assert_alike(pairs, lambda: gw.LSTM(5, 7, num_layers=2, bidirectional=True))


@pytest.mark.parametrize("cell", KINDS)
def test_every_kind_of_cell(cell, team, pairs):
    team(2)
    size = dict(input_size=5, hidden_size=5 if cell in ("rhn", "slstm") else 11)
    assert_alike(pairs, lambda: gw.Recurrent(cell, **size, bidirectional=True))


def test_units_shared_within_each_half(team, pairs, monkeypatch):
    monkeypatch.setattr(Kernel, "divides_units", lambda kernel, T, B, team: team > 1)
    team(5)
    assert_alike(pairs, lambda: gw.GRU(5, 40, bidirectional=True))


def test_lengths_and_resets(team, pairs):
    team(2)
    options = dict(lengths=torch.tensor([9, 2, 0]), reset=torch.rand(9, 3) < 0.3)
    assert_alike(pairs, lambda: gw.GRU(5, 7, bidirectional=True), **options)


def test_regularizers_draw_the_same_masks(team, pairs):
    team(2)
    layer, x = gw.Recurrent("lstm", 5, 7, bidirectional=True, zoneout=0.3), torch.randn(9, 3, 5)
    found = []
    for together in (False, True):
        ran = pairs(together)
        torch.manual_seed(3)
        found.append(layer(x)[0])
        assert bool(ran) == together
    assert torch.equal(*found)


@pytest.mark.parametrize("which", [0, 1], ids=["forward", "reverse"])
def test_gradients_that_reach_one_direction_alone(which, team, pairs):
    team(2)
    layer, x = gw.GRU(5, 7, bidirectional=True), torch.randn(9, 3, 5)
    start = {"h": torch.zeros(3, 7)}
    found = []
    for together in (False, True):
        ran = pairs(together)
        jobs = [
            (track.recurrence, Operands({"x": x}, start, track.parameters))
            for track in layer.tracks()[0]
        ]
        run_all(jobs)[which].output.sin().sum().backward()
        assert len(ran) == together  # the other direction has nothing to go back through
        found.append([p.grad for p in layer.parameters()])
        layer.zero_grad()
    assert_bitwise_equal(*found)
    assert sum(gradient is None for gradient in found[1]) == 4


def test_a_frozen_direction(team, pairs):
    team(2)
    layer, x = gw.LSTM(5, 7, bidirectional=True), torch.randn(9, 3, 5)
    for name, parameter in layer.named_parameters():
        parameter.requires_grad_("reverse" not in name)
    found = []
    for together in (False, True):
        pairs(together)
        layer.zero_grad()
        y, _ = layer(x)
        y.sin().sum().backward()
        found.append([y.detach(), *(p.grad for p in layer.parameters())])
    assert_bitwise_equal(*found)


def test_gradients_of_gradients(team, pairs):
    team(2)
    layer, x = gw.GRU(3, 4, bidirectional=True).double(), torch.randn(4, 2, 3).double()
    found = []
    for together in (False, True):
        pairs(together)
        leaf = x.clone().requires_grad_()
        y, _ = layer(leaf)
        (first,) = torch.autograd.grad(y.sin().sum(), leaf, create_graph=True)
        found.append(torch.autograd.grad(first.square().sum(), [leaf, *layer.parameters()]))
    for value, wanted in zip(*found, strict=True):  # torch adds up in another order
        torch.testing.assert_close(value, wanted, rtol=1e-12, atol=1e-13)


def test_a_graph_that_is_kept_gives_the_same_gradients_twice(team, pairs):
    team(2)
    pairs(True)
    layer, x = gw.LSTM(5, 7, bidirectional=True), torch.randn(9, 3, 5)
    loss = layer(x)[0].sin().sum()
    weights = list(layer.parameters())
    first = torch.autograd.grad(loss, weights, retain_graph=True)
    layer(torch.randn(9, 3, 5))[0].sum().backward()  # takes memory from the same pool
    assert_bitwise_equal(torch.autograd.grad(loss, weights), first)


def test_explain_tells_it(team, pairs):
    team(2)
    pairs(None)
    layer = gw.LSTM(5, 7, bidirectional=True)
    told = layer.explain(torch.randn(9, 3, 5))
    assert len(told) == 2
    assert all("side by side" in each.details for each in told)
    assert "in reverse" in told[1].what
    team(1)
    assert not any("side by side" in each.details for each in layer.explain(torch.randn(9, 3, 5)))


def test_weights_that_fill_a_cache_are_not_halved(team, pairs):
    team(2)
    ran = pairs(None)
    with torch.no_grad():
        gw.LSTM(64, 512, bidirectional=True)(torch.randn(2, 1, 64))
        assert not ran
        gw.LSTM(64, 128, bidirectional=True)(torch.randn(2, 1, 64))
    assert ran


@pytest.mark.parametrize("team", [1, 2, 3, 8])
def test_shares_are_all_of_a_team(team):
    first, second = shares(team)
    assert (first, second) == (1, 1) if team == 1 else first + second == team
    assert 0 <= first - second <= 1
