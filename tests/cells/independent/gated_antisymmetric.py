"""torchrecurrent's GatedAntisymmetricRNNCell, with its recurrent bias zero."""

from torchrecurrent import GatedAntisymmetricRNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.z"], parameters["W.n"]],
        "weight_hh": [parameters["U.h"]],
        "bias_ih": [parameters["b.z"], parameters["b.n"]],
    }
    return {"h": run(GatedAntisymmetricRNNCell, x, states["h"], weights, **constants)}
