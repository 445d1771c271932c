"""torchrecurrent's MUT3Cell."""

from torchrecurrent import MUT3Cell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {
        "weight_ih": [parameters[f"W.{k}"] for k in "zrn"],
        "weight_hh": [parameters[f"U.{k}"] for k in "zrn"],
        "bias_ih": [parameters[f"b.{k}"] for k in "zrn"],
    }
    return {"h": run(MUT3Cell, x, states["h"], weights)}
