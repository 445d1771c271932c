"""torchrecurrent's NBRCell, with the candidate's bias zero."""

import numpy as np
from torchrecurrent import NBRCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters[f"W.{k}"] for k in "acn"],
        "weight_hh": [parameters["U.a"], parameters["U.c"]],
        "bias_ih": [parameters["b.a"], parameters["b.c"], np.zeros_like(parameters["b.a"])],
    }
    return {"h": run(NBRCell, x, states["h"], weights)}
