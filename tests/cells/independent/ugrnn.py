"""torchrecurrent's UGRNNCell."""

from torchrecurrent import UGRNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.n"], parameters["W.z"]],
        "weight_hh": [parameters["U.n"], parameters["U.z"]],
        "bias_ih": [parameters["b.n"], parameters["b.z"]],
    }
    return {"h": run(UGRNNCell, x, states["h"], weights)}
