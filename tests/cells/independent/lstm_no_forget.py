"""torchrecurrent's OriginalLSTMCell."""

from torchrecurrent import OriginalLSTMCell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters[f"W.{k}"] for k in "igo"],
        "weight_hh": [parameters[f"U.{k}"] for k in "igo"],
        "bias_ih": [parameters[f"b.{k}"] for k in "igo"],
    }
    h, c = run(OriginalLSTMCell, x, (states["h"], states["c"]), weights)
    return {"h": h, "c": c}
