"""torchrecurrent's MCLSTMCell."""

from torchrecurrent import MCLSTMCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters[f"W.{k}"] for k in "fiomg"],
        "weight_hh": [parameters[f"U.{k}"] for k in "fiomg"],
        "bias_ih": [parameters[f"b.{k}"] for k in "fiomg"],
    }
    h, v, c = run(MCLSTMCell, x, (states["v"], states["c"]), weights)
    return {"v": v, "c": c, "output": h}
