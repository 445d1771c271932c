"""torchrecurrent's CFNCell, its bias of the content zero."""

from torchrecurrent import CFNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.f"], parameters["W.i"], parameters["W.g"]],
        "weight_hh": [parameters["U.f"], parameters["U.i"]],
        "bias_hh": [parameters["b.f"], parameters["b.i"]],
    }
    return {"h": run(CFNCell, x, states["h"], weights)}
