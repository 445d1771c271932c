"""torchrecurrent's LiGRUCell."""

from torchrecurrent import LiGRUCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.z"], parameters["W.n"]],
        "weight_hh": [parameters["U.z"], parameters["U.n"]],
        "bias_ih": [parameters["b.z"], parameters["b.n"]],
    }
    return {"h": run(LiGRUCell, x, states["h"], weights)}
