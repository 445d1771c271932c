"""Ba, Kiros & Hinton (2016), the supplement's LSTM: gates stacked, torch's layer_norm."""

import torch
from torch.nn.functional import layer_norm


def step(x, states, parameters, constants):
    gates = "fiog"  # the paper's order
    weight = {name: torch.tensor(value) for name, value in parameters.items()}

    def normalised(matrix, vector, gain):
        product = torch.tensor(vector) @ torch.cat([weight[f"{matrix}.{k}"] for k in gates]).T
        gains = torch.cat([weight[f"p.{gain}{k}"] for k in gates])
        return layer_norm(product, product.shape[1:], weight=gains)

    bias = torch.cat([weight[f"b.{k}"] for k in gates])
    stacked = normalised("U", states["h"], "h") + normalised("W", x, "x") + bias
    f, i, o, g = stacked.chunk(4, 1)
    c = f.sigmoid() * torch.tensor(states["c"]) + i.sigmoid() * g.tanh()
    h = o.sigmoid() * layer_norm(c, c.shape[1:], weight["p.c"], weight["b.c"]).tanh()
    return {"h": h.numpy(), "c": c.numpy()}
