"""torchrecurrent's IndRNNCell with the nonlinearity "relu"."""

from torchrecurrent import IndRNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.h"]],
        "vector_u": [parameters["p.h"]],
        "bias_ih": [parameters["b.h"]],
    }
    return {"h": run(IndRNNCell, x, states["h"], weights, nonlinearity="relu")}
