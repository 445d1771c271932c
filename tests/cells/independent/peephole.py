"""torchrecurrent's PeepholeLSTMCell."""

from torchrecurrent import PeepholeLSTMCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters[f"W.{k}"] for k in "ifgo"],
        "weight_hh": [parameters[f"U.{k}"] for k in "ifgo"],
        "weight_ph": [parameters[f"p.{k}"] for k in "ifo"],
        "bias_ih": [parameters[f"b.{k}"] for k in "ifgo"],
    }
    h, c = run(PeepholeLSTMCell, x, (states["h"], states["c"]), weights)
    return {"h": h, "c": c}
