"""torchrecurrent's RANCell."""

from torchrecurrent import RANCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters["W.g"], parameters["W.i"], parameters["W.f"]],
        "weight_hh": [parameters["U.i"], parameters["U.f"]],
        "bias_ih": [parameters["b.i"], parameters["b.f"]],
    }
    h, c = run(RANCell, x, (states["h"], states["c"]), weights)
    return {"h": h, "c": c}
