"""torchrecurrent's MinimalRNNCell."""

from torchrecurrent import MinimalRNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.z"]],
        "weight_hh": [parameters["U.u"]],
        "weight_mm": [parameters["V.u"]],
        "bias_ih": [parameters["b.z"]],
        "bias_hh": [parameters["b.u"]],
    }
    return {"h": run(MinimalRNNCell, x, states["h"], weights)}
