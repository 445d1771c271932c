"""Fixed points of networks whose points and eigenvalues are known."""

import math

import pytest
import torch

import gatewise as gw
from gatewise.equations import U, W, cell, tanh
from gatewise.lens.fixed_points import fixed_points
from tests.recorded_runs import random_run, record_layer


def tanh_network(U, steps=30, batch=4):
    """h = tanh(U h + x), with visited states all over."""
    size = len(U)
    layer = gw.RNN(size, size, bias=False).double()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(size))
        layer.weight_hh_l0.copy_(U)
    return record_layer(layer, 2 * torch.randn(steps, batch, size).double())


def test_zero_is_the_only_point_of_a_contraction():
    U = 0.7 * torch.linalg.qr(torch.randn(5, 5).double()).Q
    found = fixed_points(tanh_network(U))
    assert len(found) == 1
    assert found.states["h"].abs().max() < 1e-6
    assert found.fixed.all()
    expected = torch.linalg.eigvals(U)
    torch.testing.assert_close(found.eigenvalues[0].abs(), expected.abs().sort(descending=True)[0])
    assert found.kind(0) == "attractor, turning"
    assert "1 fixed points, 1 with slow ones" in str(found)


def test_a_unit_that_feeds_itself_has_two_memories_and_a_saddle_between():
    """h = tanh(2 h): 0 and ±h* with h* = tanh(2 h*), and tanh' = 1 − h² there."""
    found = fixed_points(tanh_network(torch.tensor([[2.0]]).double()), starts=200)
    star = 0.9
    for _ in range(100):
        star = math.tanh(2 * star)
    points = found.states["h"].flatten()
    torch.testing.assert_close(
        points.sort().values, torch.tensor([-star, 0, star]).double(), atol=1e-6, rtol=1e-6
    )
    kinds = {round(float(h), 2): found.kind(k) for k, h in enumerate(points)}
    assert kinds == {round(star, 2): "attractor", -round(star, 2): "attractor", 0.0: "repeller"}
    for k, h in enumerate(points.tolist()):
        assert found.eigenvalues[k, 0].real == pytest.approx(2 * (1 - h * h), abs=1e-5)


def test_a_saddle_counts_its_ways_out():
    U = torch.diag(torch.tensor([2.0, 0.5])).double()
    found = fixed_points(tanh_network(U), starts=200)
    assert sorted(map(found.kind, range(len(found)))) == [
        "attractor",
        "attractor",
        "saddle, 1 way out",
    ]


def test_an_input_moves_the_point():
    """h = tanh(x) where nothing recurs: the step itself."""
    run = tanh_network(torch.zeros(3, 3).double())
    x = torch.tensor([0.5, -1.0, 2.0]).double()
    found = fixed_points(run, {"x": x})
    torch.testing.assert_close(found.states["h"], x.tanh()[None])
    assert found.eigenvalues.abs().max() < 1e-12


def test_a_line_of_points_is_still_along_it():
    """h = relu(h) keeps every positive state: all points are fixed, none draws."""
    layer = gw.RNN(2, 2, nonlinearity="relu", bias=False).double()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(2))
        layer.weight_hh_l0.copy_(torch.eye(2))
    found = fixed_points(record_layer(layer, torch.rand(10, 2, 2).double()), noise=0.0)
    assert len(found) > 5
    assert found.kind(0) == "attractor, still along 2"


def test_a_slow_point_is_no_fixed_one():
    """The tangent bifurcation just passed: tanh(w h + x) comes close to h, and nearly stops."""
    layer = gw.RNN(1, 1, bias=False).double()
    with torch.no_grad():
        layer.weight_ih_l0.fill_(1.0)
        layer.weight_hh_l0.fill_(2.0)
    run = record_layer(layer, torch.randn(40, 4, 1).double())
    # 2 h + x is steepest against h where tanh' = 1/2: h = ±√½; the gap closes at this x
    edge = math.atanh(math.sqrt(0.5)) - 2 * math.sqrt(0.5)
    found = fixed_points(run, {"x": torch.tensor([-edge + 2e-4]).double()}, starts=200, noise=0.5)
    slow = ~found.fixed
    assert slow.any()
    near = found.states["h"][slow].flatten()
    assert float((near + math.sqrt(0.5)).abs().min()) < 0.05
    assert found.kind(int(slow.nonzero()[0])).startswith("slow, ")


@pytest.mark.parametrize("name", ["lstm", "gru", "peephole", "lem", "mgu", "lstm_projection"])
def test_points_of_trained_size_cells_are_fixed(name):
    run = random_run(gw.cells.get(name).graph, dtype=torch.float32)
    found = fixed_points(run, starts=16)
    assert len(found) >= 1
    assert found.fixed[0]
    assert found.speed[0] < 1e-8
    sizes = {key: value.shape[-1] for key, value in found.states.items()}
    assert found.eigenvalues.shape[1] == sum(sizes.values())


def test_a_clock_has_no_point():
    @cell(states=dict(h="H", clock=1))
    def timed(x, h, clock):
        return dict(h=tanh(W.h @ x + U.h @ h + clock), clock=clock + 1)

    found = fixed_points(random_run(timed.graph))
    assert len(found) == 0
    assert found.states["h"].shape[0] == found.eigenvalues.shape[0] == 0
    assert "0 fixed points" in str(found)


def test_refusals():
    run = tanh_network(torch.eye(2).double())
    with pytest.raises(ValueError, match=r"the input 'x' is \(3,\); \(2,\) is needed"):
        fixed_points(run, {"x": torch.zeros(3)})
    with pytest.raises(ValueError, match="reads x, not z"):
        fixed_points(run, {"z": torch.zeros(2)})
