"""torchrecurrent's STARCell."""

from torchrecurrent import STARCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.z"], parameters["W.k"]],
        "weight_hh": [parameters["U.k"]],
        "bias_ih": [parameters["b.z"], parameters["b.k"]],
    }
    return {"h": run(STARCell, x, states["h"], weights)}
