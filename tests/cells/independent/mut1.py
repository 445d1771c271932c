"""torchrecurrent's MUT1Cell, the matrix that the paper does not have an identity."""

import numpy as np
from torchrecurrent import MUT1Cell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    identity = np.eye(x.shape[1])  # x itself enters the candidate
    weights = {
        "weight_ih": [parameters["W.z"], parameters["W.r"], identity],
        "weight_hh": [parameters["U.r"], parameters["U.n"]],
        "bias_ih": [parameters["b.z"], parameters["b.r"], np.zeros(len(identity))],
        "bias_hh": [np.zeros(len(identity)), parameters["b.n"]],
    }
    return {"h": run(MUT1Cell, x, states["h"], weights)}
