"""torchrecurrent's TGRUCell."""

from torchrecurrent import TGRUCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters[f"W.{k}"] for k in "zfo"],
        "weight_hh": [parameters[f"V.{k}"] for k in "zfo"],
        "bias_ih": [parameters[f"b.{k}"] for k in "zfo"],
    }
    h, x_last = run(TGRUCell, x, (states["h"], states["x_last"]), weights)
    return {"h": h, "x_last": x_last}
