"""GRU-D as the paper words it, in NumPy; the mask is rounded to 0 or 1 where values are chosen."""

import numpy as np


def step(x, states, parameters, constants):
    mask, delta = constants["m"], constants["delta"]
    observed = (mask > 0.5).astype(float)
    decay = {
        "x": np.exp(-np.maximum(0, parameters["p.gamma_x"] * delta + parameters["b.gamma_x"])),
        "h": np.exp(-np.maximum(0, delta @ parameters["W.gamma_h"].T + parameters["b.gamma_h"])),
    }
    mean = 0.0
    imputed = decay["x"] * states["last"] + (1 - decay["x"]) * mean
    x_hat = observed * x + (1 - observed) * imputed
    h = decay["h"] * states["h"]

    def pre(key, state):
        products = ((x_hat, "W"), (state, "U"), (mask, "V"))
        total = sum(value @ parameters[f"{letter}.{key}"].T for value, letter in products)
        return total + parameters[f"b.{key}"]

    reset, update = (1 / (1 + np.exp(-pre(key, h))) for key in "rz")
    candidate = np.tanh(pre("n", reset * h))
    last = observed * x + (1 - observed) * states["last"]
    return {"h": (1 - update) * h + update * candidate, "last": last}
