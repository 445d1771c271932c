"""torchrecurrent's LightRUCell, its bias of the candidate zero."""

from torchrecurrent import LightRUCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.n"], parameters["W.f"]],
        "weight_hh": [parameters["U.f"]],
        "bias_hh": [parameters["b.f"]],
    }
    return {"h": run(LightRUCell, x, states["h"], weights)}
