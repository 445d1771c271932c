"""torchrecurrent's SGRNCell, its bias of the shared product zero."""

from torchrecurrent import SGRNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.a"]],
        "weight_hh": [parameters["U.f"]],
        "bias_hh": [parameters["b.f"]],
    }
    return {"h": run(SGRNCell, x, states["h"], weights)}
