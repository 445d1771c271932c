"""torchrecurrent's DSGUCell with the hard sigmoid of slope 0.2, its bias of z_g zero."""

import torch
from torchrecurrent import DSGUCell

from tests.cells.independent.torch_recurrent import run


class HardSigmoid(torch.nn.Module):
    def forward(self, a):
        return torch.clamp(0.2 * a + 0.5, 0, 1)


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.g"], parameters["W.z"]],
        "weight_hh": [parameters["U.g"], parameters["U.z"]],
        "bias_ih": [parameters["b.g"], parameters["b.z"]],
        "weight_ho": [parameters["V.out"]],
    }
    return {"h": run(DSGUCell, x, states["h"], weights, gate_nonlinearity=HardSigmoid())}
