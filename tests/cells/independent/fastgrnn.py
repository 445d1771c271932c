"""torchrecurrent's FastGRNNCell, with a sigmoid gate."""

from torchrecurrent import FastGRNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.h"]],
        "weight_hh": [parameters["U.h"]],
        "bias_ih": [parameters["b.z"], parameters["b.n"]],
        "zeta": [parameters["s.zeta"].reshape(1)],
        "nu": [parameters["s.nu"].reshape(1)],
    }
    return {"h": run(FastGRNNCell, x, states["h"], weights, nonlinearity="sigmoid")}
