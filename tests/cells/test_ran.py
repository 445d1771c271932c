import torch

import gatewise as gw


def test_linear_makes_the_output_the_cell_state():
    torch.manual_seed(0)
    layer = gw.Recurrent("ran", 3, 4, constants={"linear": True})
    y, state = layer(torch.randn(5, 2, 3))
    torch.testing.assert_close(y[-1], state.c[0])
    y, state = gw.Recurrent("ran", 3, 4)(torch.randn(5, 2, 3))
    torch.testing.assert_close(y[-1], torch.tanh(state.c[0]))
