"""torchrecurrent's BRCell, with the candidate's bias zero."""

import numpy as np
from torchrecurrent import BRCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters[f"W.{k}"] for k in "acn"],
        "weight_hh": [parameters["p.a"], parameters["p.c"]],
        "bias_ih": [parameters["b.a"], parameters["b.c"], np.zeros_like(parameters["b.a"])],
    }
    return {"h": run(BRCell, x, states["h"], weights)}
