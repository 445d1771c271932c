"""Algorithm 1 of the paper in NumPy."""

import numpy as np


def step(x, states, parameters, constants):
    update = 1 / (1 + np.exp(-(x @ parameters["W.z"].T + parameters["b.z"])))
    candidate = x @ parameters["W.n"].T + parameters["b.n"]
    return {"h": states["h"] + update * (candidate - states["h"])}
