"""torchrecurrent's TRNNCell, its bias of z zero."""

import numpy as np
from torchrecurrent import TRNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.z"], parameters["W.f"]],
        "bias_ih": [np.zeros_like(parameters["b.f"]), parameters["b.f"]],
    }
    return {"h": run(TRNNCell, x, states["h"], weights)}
