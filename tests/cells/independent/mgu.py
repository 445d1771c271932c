"""torchrecurrent's MGUCell."""

from torchrecurrent import MGUCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.f"], parameters["W.n"]],
        "weight_hh": [parameters["U.f"], parameters["U.n"]],
        "bias_ih": [parameters["b.f"], parameters["b.n"]],
    }
    return {"h": run(MGUCell, x, states["h"], weights)}
