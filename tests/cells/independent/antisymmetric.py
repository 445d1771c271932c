"""torchrecurrent's AntisymmetricRNNCell."""

from torchrecurrent import AntisymmetricRNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {"weight_ih": "W.n", "weight_hh": "U.h", "bias_ih": "b.n"}
    weights = {name: [parameters[own]] for name, own in weights.items()}
    return {"h": run(AntisymmetricRNNCell, x, states["h"], weights, **constants)}
