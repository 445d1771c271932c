"""torchrecurrent's MiRU1Cell."""

from torchrecurrent import MiRU1Cell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        name: [parameters[f"{letter}.{k}"] for k in "rn"]
        for name, letter in (("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b"))
    }
    return {"h": run(MiRU1Cell, x, states["h"], weights, update_coefficient=constants["lamda"])}
