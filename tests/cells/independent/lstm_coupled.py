"""torch.nn.LSTMCell, whose input gate has the forget gate's weights turned: σ(-a) = 1 - σ(a)."""

import torch


def step(x, states, parameters, constants):
    cell = torch.nn.LSTMCell(x.shape[1], states["h"].shape[1], dtype=torch.float64)
    with torch.no_grad():
        cell.bias_hh.zero_()
        for name, letter in (("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b")):
            f, g, o = (torch.tensor(parameters[f"{letter}.{k}"]) for k in "fgo")
            getattr(cell, name).copy_(torch.cat([-f, f, g, o]))
        h, c = cell(torch.tensor(x), (torch.tensor(states["h"]), torch.tensor(states["c"])))
    return {"h": h.numpy(), "c": c.numpy()}
