"""Zoph & Le (2017) as their code has it, layer by layer; torchrecurrent sums in the fourth leaf."""

import numpy as np


def step(x, states, parameters, constants):
    def sigmoid(a):
        return 1 / (1 + np.exp(-a))

    def relu(a):
        return np.where(a > 0, a, 0)

    activations = [sigmoid, relu, sigmoid, relu, np.tanh, sigmoid, np.tanh, sigmoid]
    first = []
    for k, activation in enumerate(activations):
        of_x = x @ parameters[f"W.a{k}"].T
        of_m = states["h"] @ parameters[f"U.a{k}"].T + parameters[f"b.a{k}"]
        first.append(activation(of_x * of_m if k == 3 else of_x + of_m))
    second = [
        np.tanh(first[0] * first[1]),
        np.tanh(first[2] + first[3]),
        np.tanh(first[4] * first[5]),
        sigmoid(first[6] + first[7]),
    ]
    second[0] = np.tanh(second[0] + states["c"])
    c = second[0] * second[1]
    return {"h": np.tanh(c * np.tanh(second[2] + second[3])), "c": c}
