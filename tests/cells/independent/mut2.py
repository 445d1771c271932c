"""torchrecurrent's MUT2Cell, the matrix that the paper does not have an identity."""

import numpy as np
from torchrecurrent import MUT2Cell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    identity = np.eye(x.shape[1])  # x itself enters the reset gate
    weights = {
        "weight_ih": [parameters["W.z"], identity, parameters["W.n"]],
        "weight_hh": [parameters[f"U.{k}"] for k in "zrn"],
        "bias_ih": [parameters[f"b.{k}"] for k in "zrn"],
    }
    return {"h": run(MUT2Cell, x, states["h"], weights)}
