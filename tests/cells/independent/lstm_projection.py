"""torch.nn.LSTM with proj_size, one step."""

import torch


def step(x, states, parameters, constants):
    P, H = states["h"].shape[1], states["c"].shape[1]
    gates = {k: torch.tensor(v) for k, v in parameters.items()}
    if P == H:  # torch wants P < H; then the plain equations
        lstm = torch.nn.LSTMCell(x.shape[1], H, dtype=torch.float64)
        with torch.no_grad():
            for name, letter in (("weight_ih", "W"), ("weight_hh", "U"), ("bias_ih", "b")):
                getattr(lstm, name).copy_(torch.cat([gates[f"{letter}.{k}"] for k in "ifgo"]))
            lstm.bias_hh.zero_()
            h, c = lstm(torch.tensor(x), (torch.tensor(states["h"]), torch.tensor(states["c"])))
        return {"h": (h @ gates["R.h"].T).numpy(), "c": c.numpy()}
    raise AssertionError("the sample uses P = H")
