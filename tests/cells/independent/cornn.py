"""torchrecurrent's coRNNCell; its h and c are y and z."""

from torchrecurrent import coRNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {"weight_ih": "W.f", "weight_hh": "U.f", "weight_ch": "V.f", "bias_ih": "b.f"}
    weights = {name: [parameters[own]] for name, own in weights.items()}
    y, z = run(coRNNCell, x, (states["y"], states["z"]), weights, **constants)
    return {"y": y, "z": z}
