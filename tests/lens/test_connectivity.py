"""Connectivity: of a linear network it is known; of any, it is the norm of a Jacobian."""

import pytest
import torch

import gatewise as gw
from gatewise.lens.connectivity import connectivity


def test_diagonal_linear_network():
    """h_T = Σ u^(T−t) x_t: each unit depends on each step by u^(T−t)."""
    layer = gw.RNN(3, 3, nonlinearity="relu", bias=False).double()
    u = torch.tensor([0.5, 0.9, 1.2], dtype=torch.float64)
    with torch.no_grad():
        layer.weight_ih_l0.copy_(torch.eye(3))
        layer.weight_hh_l0.copy_(torch.diag(u))
    x = torch.rand(6, 2, 3, dtype=torch.float64) + 0.1
    found = connectivity(lambda x: layer(x)[0][-1], x)
    ages = torch.arange(5, -1, -1).double()
    expected = (u ** ages[:, None])[:, None].expand(6, 2, 3)
    torch.testing.assert_close(found.values, expected)
    torch.testing.assert_close(found.shares().sum(0), torch.ones(2, 3).double())


@pytest.mark.parametrize("kind", [torch.nn.LSTM, gw.LSTM, gw.GRU])
def test_against_the_jacobian(kind):
    layer, x = kind(3, 4), torch.randn(5, 1, 3)
    found = connectivity(lambda x: layer(x)[0][2], x, units=[1, -1])
    jacobian = torch.autograd.functional.jacobian(lambda x: layer(x)[0][2, 0], x)  # (K, T, 1, I)
    torch.testing.assert_close(found.values[:, 0, 0], jacobian[1, :, 0].norm(dim=-1))
    torch.testing.assert_close(found.values[:, 0, 1], jacobian[3, :, 0].norm(dim=-1))
    assert found.values[3:].eq(0).all()  # later steps
    assert found.table(labels=list("abcde")).splitlines()[0].split()[2:] == [
        *("result", "1", "result", "-1")
    ]


def test_time_may_come_second():
    layer = gw.GRU(3, 4, batch_first=True)
    x = torch.randn(2, 5, 3)
    found = connectivity(lambda x: layer(x)[0][:, -1], x, batch_first=True)
    assert found.values.shape == (5, 2, 4)
    assert found.values[-1].gt(found.values[0]).all()


def test_refusals():
    layer, x = gw.GRU(3, 4), torch.randn(5, 2, 3)
    with pytest.raises(ValueError, match=r"\(B, K\) with B = 2"):
        connectivity(lambda x: layer(x)[0], x)
    with pytest.raises(ValueError, match="do not depend"):
        connectivity(lambda x: torch.zeros(2, 4), x)
    with pytest.raises(IndexError, match="there are 4 results"):
        connectivity(lambda x: layer(x)[0][-1], x, units=[4])
