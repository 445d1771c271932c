"""One step of a cell of the package torchrecurrent, with weights of ours."""

import numpy as np
import torch


def run(kind, x, states, weights, **options):
    """The cell's result as NumPy arrays: one, or a flat list where it returns several.

    Args:
        kind: torchrecurrent's class.
        x: input, ``(B, I)``.
        states: one array for a cell with one state, else a tuple of them.
        weights: by its own names, each a list of ours to be stacked; biases not named are zero.
        options: further arguments of the class.
    """
    several = isinstance(states, tuple)
    H = (states[0] if several else states).shape[1]
    cell = kind(x.shape[1], H, dtype=torch.float64, **options)
    with torch.no_grad():
        for name, value in cell.named_parameters():
            if name.startswith("bias"):
                value.zero_()
        for name, parts in weights.items():
            value = torch.tensor(np.concatenate(parts))
            assert getattr(cell, name).shape == value.shape, name
            getattr(cell, name).copy_(value)
        tensors = tuple(map(torch.tensor, states)) if several else torch.tensor(states)
        result = cell(torch.tensor(x), tensors)
    if isinstance(result, tuple):
        return [part.numpy() for part in _flat(result)]
    return result.numpy()


def _flat(result):
    for part in result:
        if isinstance(part, tuple):
            yield from _flat(part)
        else:
            yield part
