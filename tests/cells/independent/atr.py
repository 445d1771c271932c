"""torchrecurrent's ATRCell, its bias of the input zero."""

from torchrecurrent import ATRCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.p"]],
        "weight_hh": [parameters["U.q"]],
        "bias_hh": [parameters["b.q"]],
    }
    return {"h": run(ATRCell, x, states["h"], weights)}
