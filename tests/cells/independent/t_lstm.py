"""torchrecurrent's TLSTMCell."""

from torchrecurrent import TLSTMCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters[f"W.{k}"] for k in "zfo"],
        "weight_hh": [parameters[f"V.{k}"] for k in "zfo"],
        "bias_ih": [parameters[f"b.{k}"] for k in "zfo"],
    }
    h, c, x_last = run(TLSTMCell, x, (states["c"], states["x_last"]), weights)
    return {"c": c, "x_last": x_last, "output": h}
