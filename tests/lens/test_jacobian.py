"""Jacobians of a step: against finite differences for every cell, and closed forms."""

import pytest
import torch

import gatewise as gw
from gatewise.equations import V, W, cell, tanh
from gatewise.lens import jacobian
from gatewise.lens.jacobian import jacobian_spectrum, state_jacobians
from gatewise.lens.recorded import Run, states_after
from tests.recorded_runs import B, T, random_run, record_layer

STEP = 1e-6
KINKED = {"nas", "rnn_relu", "indrnn", "ligru", "sgu", "dsgu", "gru_d"}


def finite_differences(run):
    columns = []
    for name, value in run.past.items():
        for unit in range(value.shape[-1]):

            def after(change, name=name, unit=unit):
                past = {key: series.clone() for key, series in run.past.items()}
                past[name][..., unit] += change
                moved = states_after(Run(run.recurrence, run.operands, past))
                return torch.cat(list(moved.values()), -1)

            columns.append((after(STEP) - after(-STEP)) / (2 * STEP))
    return torch.stack(columns, -1)


@pytest.mark.parametrize("name", [n for n in gw.cells.names() if n != "slstm"])
def test_every_cell_against_finite_differences(name):
    run = random_run(gw.cells.get(name).graph)
    found = state_jacobians(run)
    wrong = (found - finite_differences(run)).abs() > 1e-6 * found.abs().clamp(min=1)
    # a kink of relu or of a hard sigmoid may lie within a step of a few numbers
    assert wrong.double().mean() <= (0.01 if name in KINKED else 0), name


def test_detached_states_have_no_derivative():
    run = random_run(gw.cells.slstm.graph)
    assert list(run.past) == ["h", "c", "n", "m"]
    assert state_jacobians(run)[..., -4:, :].eq(0).all()


def test_states_that_nothing_reads_have_no_derivative():
    @cell(states=dict(kept="H", h="H", last="I"))
    def filtered(x, kept, h, last):
        return dict(h=W.h @ x + V.h @ last, last=x, kept=tanh(last))

    found = state_jacobians(random_run(filtered.graph))
    H = found.shape[-1] // 3
    assert found.shape == (T, B, 3 * H, 3 * H)
    assert not found[..., : 2 * H].any()
    assert found[..., : 2 * H, 2 * H :].any()


def test_elman_network():
    """∂h_t/∂h_{t−1} = diag(1 − h_t²) U."""
    run = random_run(gw.cells.rnn.graph)
    h, U = states_after(run)["h"], run.operands.parameters["U.h"]
    torch.testing.assert_close(state_jacobians(run), (1 - h * h)[..., None] * U)


def test_spectrum_of_a_diagonal_network():
    layer = gw.RNN(3, 3, nonlinearity="relu", bias=False).double()
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(3))
        layer.weight_hh_l0.copy_(torch.diag(torch.tensor([0.5, 1.5, 0.25])))
    found = jacobian_spectrum(record_layer(layer, torch.rand(4, 2, 3).double() + 0.1))
    expected = torch.tensor([1.5, 0.5, 0.25]).double().expand(4, 2, 3)
    torch.testing.assert_close(found.eigenvalues.real, expected)
    torch.testing.assert_close(found.singular_values, expected)
    torch.testing.assert_close(found.radius, expected[..., 0])
    torch.testing.assert_close(found.norm, expected[..., 0])
    assert "spectral radius 1.5" in str(found)
    assert len(found.table().splitlines()) == 5


def test_half_precision_is_widened():
    run = random_run(gw.cells.gru.graph, dtype=torch.bfloat16)
    found = jacobian_spectrum(run)
    assert found.singular_values.dtype == torch.float32
    exact = jacobian_spectrum(random_run(gw.cells.gru.graph, dtype=torch.float64))
    torch.testing.assert_close(found.norm.double(), exact.norm, rtol=0.05, atol=0.05)


def test_product_of_jacobians_is_the_gradient():
    """∂h_T/∂h_k, by the chain rule over all later steps, in both directions."""
    for reverse in (False, True):
        run = random_run(gw.cells.gru.graph, reverse)
        h = run.operands.states["h"].clone().requires_grad_()
        operands = type(run.operands)(run.operands.inputs, {"h": h}, run.operands.parameters)
        from gatewise.backends.reference import ReferenceBackend

        last = ReferenceBackend().run(run.recurrence, operands).states["h"]
        (expected,) = torch.autograd.grad(last[:, 1].sum(), h)
        product = torch.eye(4).double().expand(B, 4, 4)
        jacobians = state_jacobians(run)
        for t in range(T - 1, -1, -1) if reverse else range(T):
            product = jacobians[t] @ product
        torch.testing.assert_close(product[:, 1], expected)


@pytest.mark.parametrize("reverse", [False, True])
def test_blocks_make_no_difference(reverse, monkeypatch):
    run = random_run(gw.cells.lstm.graph, reverse)
    whole = state_jacobians(run)
    monkeypatch.setattr(jacobian, "BLOCK", 2 * B * 8 * 8)
    torch.testing.assert_close(state_jacobians(run), whole, rtol=0, atol=1e-15)


def test_too_much_is_refused(monkeypatch):
    monkeypatch.setattr(jacobian, "LARGEST", 100)
    with pytest.raises(ValueError, match="record fewer steps or sequences"):
        state_jacobians(random_run(gw.cells.lstm.graph))
