"""Equation 3 of the paper in NumPy; torchrecurrent feeds the new y with the last step's z."""

import numpy as np


def step(x, states, parameters, constants):
    y, z, dt = states["y"], states["z"], constants["dt"]

    def pre(key, state):
        product = x @ parameters[f"W.{key}"].T + state @ parameters[f"U.{key}"].T
        return product + parameters[f"b.{key}"]

    memory_step = dt / (1 + np.exp(-pre("d", y)))
    hidden_step = dt / (1 + np.exp(-pre("e", y)))
    z = (1 - memory_step) * z + memory_step * np.tanh(pre("n", y))
    y = (1 - hidden_step) * y + hidden_step * np.tanh(pre("m", z))
    return {"y": y, "z": z}
