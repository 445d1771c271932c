"""torchrecurrent's UnICORNNCell; its h and c are y and z."""

from torchrecurrent import UnICORNNCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {"weight_ih": "W.f", "weight_hh": "p.f", "weight_ch": "p.c", "bias_ih": "b.f"}
    weights = {name: [parameters[own]] for name, own in weights.items()}
    y, z = run(UnICORNNCell, x, (states["y"], states["z"]), weights, **constants)
    return {"y": y, "z": z}
