"""Cho et al. (2014), equations 5-8, with a bias in each."""

import numpy as np


def step(x, states, parameters, constants):
    W, U, b = ({k: parameters[f"{letter}.{k}"] for k in "rzn"} for letter in "WUb")
    old = states["h"]
    reset = 1 / (1 + np.exp(-(x @ W["r"].T + old @ U["r"].T + b["r"])))
    update = 1 / (1 + np.exp(-(x @ W["z"].T + old @ U["z"].T + b["z"])))
    new = np.tanh(x @ W["n"].T + (reset * old) @ U["n"].T + b["n"])
    return {"h": update * old + (1 - update) * new}
