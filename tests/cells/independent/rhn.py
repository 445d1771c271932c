"""Equations 6-9 of the paper in NumPy, depth 3, coupled gates."""

import numpy as np


def step(x, states, parameters, constants):
    state = states["h"]
    for layer in (1, 2, 3):
        pre = {}
        for key in "nt":
            pre[key] = state @ parameters[f"U.{key}_{layer}"].T + parameters[f"b.{key}_{layer}"]
            if layer == 1:
                pre[key] = pre[key] + x @ parameters[f"W.{key}"].T
        transform = 1 / (1 + np.exp(-pre["t"]))
        state = (np.tanh(pre["n"]) - state) * transform + state
    return {"h": state}
