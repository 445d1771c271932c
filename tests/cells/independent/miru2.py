"""torchrecurrent's MiRU2Cell."""

from torchrecurrent import MiRU2Cell

from tests.cells.independent.torch_recurrent import run


def step(x, states, parameters, constants):
    weights = {"weight_ih": "W.n", "weight_hh": "U.n", "bias_ih": "b.n"}
    weights = {name: [parameters[own]] for name, own in weights.items()}
    return {
        "h": run(
            MiRU2Cell,
            x,
            states["h"],
            weights,
            update_coefficient=constants["lamda"],
            reset_coefficient=constants["beta"],
        )
    }
