import pytest
import torch

import gatewise as gw
from gatewise.equations import EquationError


def test_each_delay_reads_the_state_that_many_steps_back():
    torch.manual_seed(0)
    x = torch.randn(6, 1, 3, dtype=torch.float64)
    for delay in range(9):
        layer = gw.Recurrent("taugru", 3, 4, constants={"delay": delay}, dtype=torch.float64)
        weights, h = layer.weights(), torch.zeros(7, 1, 4, dtype=torch.float64)
        y, state = layer(x)
        h[1:] = y.detach()
        delayed = h[5 - delay] if delay <= 5 else torch.zeros(1, 4, dtype=torch.float64)
        with torch.no_grad():
            u, z, g, a = (
                x[5] @ weights[f"W.{k}"].T
                + (delayed if k == "z" else h[5]) @ weights[f"U.{k}"].T
                + weights[f"b.{k}"]
                for k in "uzga"
            )
            share = g.sigmoid()
            expected = (1 - share) * h[5] + share * (u.tanh() + a.sigmoid() * z.tanh())
        torch.testing.assert_close(y[5], expected)
        torch.testing.assert_close(state.h2[0], y[3])


@pytest.mark.parametrize("delay", [-1, 9])
def test_a_delay_beyond_its_memory_is_an_error(delay):
    with pytest.raises(EquationError, match="remembers 0 to 8 steps"):
        gw.Recurrent("taugru", 3, 4, constants={"delay": delay})


def test_feedback_weights():
    x = torch.randn(4, 2, 3)
    layer = gw.Recurrent("taugru", 3, 4, constants={"alpha": 0.0, "beta": 0.0})
    assert not layer(x)[0].any()  # nothing enters a zero state
