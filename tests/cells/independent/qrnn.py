"""Equation 4 of the paper in NumPy: fo-pooling over convolutions of width 1."""

import numpy as np


def step(x, states, parameters, constants):
    pre = {k: x @ parameters[f"W.{k}"].T + parameters[f"b.{k}"] for k in "zfo"}
    forget, out = (1 / (1 + np.exp(-pre[k])) for k in "fo")
    c = forget * states["c"] + (1 - forget) * np.tanh(pre["z"])
    return {"c": c, "output": out * c}
