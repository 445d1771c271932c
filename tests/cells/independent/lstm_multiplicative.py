"""torchrecurrent's MultiplicativeLSTMCell, the biases of m zero as in the paper."""

import numpy as np
from torchrecurrent import MultiplicativeLSTMCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    none = np.zeros(states["h"].shape[1])
    weights = {
        "weight_ih": [parameters[f"W.{k}"] for k in "mifgo"],
        "weight_hh": [parameters["U.m"]],
        "weight_mh": [parameters[f"V.{k}"] for k in "ifgo"],
        "bias_ih": [none, *(parameters[f"b.{k}"] for k in "ifgo")],
    }
    h, c = run(MultiplicativeLSTMCell, x, (states["h"], states["c"]), weights)
    return {"h": h, "c": c}
