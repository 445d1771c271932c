"""Algorithm 3 of the paper in NumPy, in the logarithms of the gates."""

import numpy as np


def step(x, states, parameters, constants):
    linear = {k: x @ parameters[f"W.{k}"].T + parameters[f"b.{k}"] for k in "ifn"}
    # f / (f + i) = 1 / (1 + i / f) = sigmoid(log f - log i)
    difference = np.logaddexp(0, -linear["i"]) - np.logaddexp(0, -linear["f"])
    forget = 1 / (1 + np.exp(-difference))
    return {"h": forget * states["h"] + (1 - forget) * linear["n"]}
