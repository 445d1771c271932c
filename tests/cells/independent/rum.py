"""The rotation of Dangovski et al. (2019), section 3, as a matrix for every sequence."""

import numpy as np


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def rotation(a, c):
    """The matrix that turns a towards c in their plane, by the angle between them."""
    u = a / np.linalg.norm(a)
    v = c - (u @ c) * u
    v = v / np.linalg.norm(v)
    angle = np.arccos(u @ c / np.linalg.norm(c))
    plane = np.stack([u, v], axis=1)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return np.eye(len(a)) - np.outer(u, u) - np.outer(v, v) + plane @ turn @ plane.T


def step(x, states, parameters, constants):
    W, U, b = (
        {n[2:]: v for n, v in parameters.items() if n[0] == letter} for letter in ("W", "U", "b")
    )
    h = states["h"]
    e = x @ W["e"].T + b["e"]
    t = x @ W["t"].T + h @ U["t"].T + b["t"]
    u = sigmoid(x @ W["u"].T + h @ U["u"].T + b["u"])
    turned = np.stack([rotation(*each) @ last for *each, last in zip(e, t, h, strict=True)])
    return {"h": u * h + (1 - u) * np.maximum(turned + e, 0)}
