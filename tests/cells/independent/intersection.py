"""Collins et al. (2017) in NumPy, weights joined over [x, h]: torchrecurrent's cell wants I = H."""

import numpy as np


def step(x, states, parameters, constants):
    joined = np.concatenate([x, states["h"]], axis=1)

    def linear(k):
        matrix = np.concatenate([parameters[f"W.{k}"], parameters[f"U.{k}"]], axis=1)
        return joined @ matrix.T + parameters[f"b.{k}"]

    depth, recurrent = (1 / (1 + np.exp(-linear(k))) for k in ("gy", "gh"))
    y = depth * x + (1 - depth) * np.maximum(linear("y"), 0)
    h = recurrent * states["h"] + (1 - recurrent) * np.tanh(linear("h"))
    return {"h": h, "output": y}
