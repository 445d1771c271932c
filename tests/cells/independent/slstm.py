"""Beck et al. (2024), equations 8-14, without the stabiliser: c and n times exp(m).

So a right answer also shows that m changes nothing but the scale.
"""

import numpy as np


def step(x, states, parameters, constants):
    def pre(k):
        product = x @ parameters[f"W.{k}"].T + states["h"] @ parameters[f"R.{k}"].T
        return product + parameters[f"b.{k}"]

    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    i, f, z, o = np.exp(pre("i")), sigmoid(pre("f")), np.tanh(pre("z")), sigmoid(pre("o"))
    scale = np.exp(states["m"])
    c = f * states["c"] * scale + i * z
    n = f * states["n"] * scale + i
    m = np.maximum(np.log(f) + states["m"], np.log(i))
    return {"h": o * c / n, "c": c / np.exp(m), "n": n / np.exp(m), "m": m}
