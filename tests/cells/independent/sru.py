"""Equations 1-4 of the paper in NumPy, with the scaling of section 3.2."""

import numpy as np


def step(x, states, parameters, constants):
    c = states["c"]

    def gate(key):
        peephole = parameters[f"p.{key}"] * c
        pre = x @ parameters[f"W.{key}"].T + peephole + parameters[f"b.{key}"]
        return 1 / (1 + np.exp(-pre))

    forget, reset = gate("f"), gate("r")
    c = forget * c + (1 - forget) * (x @ parameters["W.c"].T)
    return {"c": c, "output": reset * c + (1 - reset) * np.sqrt(3) * x}
