"""torchrecurrent's JANETCell, both of whose states are ours."""

from torchrecurrent import JANETCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.f"], parameters["W.g"]],
        "weight_hh": [parameters["U.f"], parameters["U.g"]],
        "bias_ih": [parameters["b.f"], parameters["b.g"]],
    }
    h, _ = run(JANETCell, x, (states["h"], states["h"]), weights, beta=constants["beta"])
    return {"h": h}
