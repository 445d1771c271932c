import pytest
import torch
from torchrecurrent import MUT1Cell

import gatewise as gw
from tests.cells.independent.torch_recurrent import run


def test_project_is_torchrecurrents_form():
    torch.manual_seed(0)
    layer = gw.Recurrent("mut1", 3, 4, constants={"project": True}, dtype=torch.float64)
    w = {name: value.detach().numpy() for name, value in layer.weights().items()}
    x, h = (torch.randn(1, 2, size, dtype=torch.float64) for size in (3, 4))
    weights = {
        "weight_ih": [w["W.z"], w["W.r"], w["W.a"]],
        "weight_hh": [w["U.r"], w["U.n"]],
        "bias_ih": [w["b.z"], w["b.r"], w["b.a"]],
        "bias_hh": [0 * w["b.n"], w["b.n"]],
    }
    y, _ = layer(x, h)
    expected = run(MUT1Cell, x[0].numpy(), h[0].numpy(), weights)
    torch.testing.assert_close(y[0].detach(), torch.tensor(expected))


def test_without_it_the_input_is_as_large_as_the_state():
    with pytest.raises(ValueError, match="I = H is needed"):
        gw.Recurrent("mut1", 3, 4)
