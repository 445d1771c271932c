"""Layers of any cell in float64 and what they are called with, for tests that compare them."""

from __future__ import annotations

import torch

import gatewise as gw

T, B, I, H = 5, 3, 4, 4  # some cells read x unit by unit, so I = H
CELLS = gw.cells.names()


def further(graph, *leading, sizes=None):
    """What the cell reads besides x, positive, and 0 or 1 where it says what was observed."""
    sizes = {"I": I, "H": H, **(sizes or {})}
    found = {}
    for name, size in graph.inputs.items():
        if name != "x":
            number = size if isinstance(size, int) else sizes.get(size, H)
            drawn = torch.rand(*leading, number, dtype=torch.float64)
            found[name] = drawn.round() if name == "m" else drawn
    return found


def layer_of(name, num_layers=None, **options):
    torch.manual_seed(1)
    return gw.Recurrent(name, I, H, num_layers, dtype=torch.float64, **options)


def fits(name, bidirectional=False, num_layers=1):
    """Whether a cell may be used so: some read their input unit by unit."""
    graph = gw.cells.get(name).graph
    shared = any(size == "I" for key, size in graph.inputs.items() if key != "x")
    return not (num_layers > 1 and (shared or (bidirectional and graph.sizes.equal)))


def copy_weights(to, source, layer=0, reverse=False):
    with torch.no_grad():
        for name, value in to.weights().items():
            value.copy_(source.weights(layer, reverse)[name])


def x_of(*leading):
    return torch.randn(*leading, I, dtype=torch.float64)


def close(a, c):
    torch.testing.assert_close(a, c, rtol=1e-10, atol=1e-10)


def close_states(a, c):
    assert a._fields == c._fields
    for mine_, other in zip(a, c, strict=True):
        close(mine_, other)
