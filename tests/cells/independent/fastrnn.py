"""torchrecurrent's FastRNNCell, with tanh."""

from torchrecurrent import FastRNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.n"]],
        "weight_hh": [parameters["U.n"]],
        "bias_ih": [parameters["b.n"]],
        "alpha": [parameters["s.alpha"].reshape(1)],
        "beta": [parameters["s.beta"].reshape(1)],
    }
    return {"h": run(FastRNNCell, x, states["h"], weights, nonlinearity="tanh")}
