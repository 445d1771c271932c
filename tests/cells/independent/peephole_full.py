"""The article's form: one matrix per gate, times [C, h, x] joined."""

import numpy as np


def step(x, states, parameters, constants):
    h, C = states["h"], states["c"]

    def gate(k, seen):
        joined = np.concatenate([seen, h, x], axis=1)
        matrix = np.concatenate([parameters[f"{letter}.{k}"] for letter in "VUW"], axis=1)
        return 1 / (1 + np.exp(-(joined @ matrix.T + parameters[f"b.{k}"])))

    matrix = np.concatenate([parameters["U.g"], parameters["W.g"]], axis=1)
    candidate = np.tanh(np.concatenate([h, x], axis=1) @ matrix.T + parameters["b.g"])
    new = gate("f", C) * C + gate("i", C) * candidate
    return {"h": gate("o", new) * np.tanh(new), "c": new}
