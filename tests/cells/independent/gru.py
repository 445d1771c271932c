"""torch.nn.GRUCell, with its second bias only where it matters."""

import torch


def step(x, states, parameters, constants):
    H = states["h"].shape[1]
    cell = torch.nn.GRUCell(x.shape[1], H, dtype=torch.float64)
    with torch.no_grad():
        for name, letter in (("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b")):
            parts = [torch.tensor(parameters[f"{letter}.{k}"]) for k in "rzn"]
            getattr(cell, name).copy_(torch.cat(parts))
        cell.bias_hh.zero_()
        cell.bias_hh[2 * H :] = torch.tensor(parameters["b.nh"])
        h = cell(torch.tensor(x), torch.tensor(states["h"]))
    return {"h": h.numpy()}
