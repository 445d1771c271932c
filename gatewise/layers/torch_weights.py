"""Torch's stacked weights under the names that the equations give them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from torch import Tensor

from gatewise.backends import Stacked, Stacking, constant
from gatewise.backends.recurrence import ADDED
from gatewise.equations import Graph


def named_weights(gates: str, stored: Mapping[str, Tensor], graph: Graph) -> Stacked:
    """Torch's parameters by equation name.

    Torch adds two biases in every gate. The equations have one, their sum; a second one
    (``b.nh`` of the GRU) only where the recurrent bias is not simply added: in the last gates.

    Args:
        gates: the letters of the gates in torch's order.
        stored: ``weight_ih``, ``weight_hh`` and, where there are, ``bias_ih``, ``bias_hh``,
            ``weight_hr``.
        graph: the equations; tells which biases there are.
    """
    names = tuple(name for name in STORED if name in stored)
    tensors = [stored[name] for name in names]
    shapes = tuple(tuple(tensor.shape) for tensor in tensors)
    return Stacked(tensors, weights_stacking(gates, names, shapes, graph))


STORED = ("weight_ih", "weight_hh", "weight_hr", "bias_ih", "bias_hh")
"""Torch's parameters of one layer and direction, in the order of the equations."""


@constant
def weights_stacking(
    gates: str, names: tuple[str, ...], shapes: tuple[tuple[int, ...], ...], graph: Graph
) -> Stacking:
    """What torch's parameters hold.

    Args:
        gates: the letters of the gates in torch's order.
        names: of the parameters, as in `STORED`.
        shapes: of the parameters.
        graph: the equations; tells which biases there are.
    """
    apart = "".join(gate for gate in gates if f"b.{gate}h" in graph.parameters)
    return _made_stacking(gates, apart, names, shapes)


@lru_cache(maxsize=256)
def _made_stacking(
    gates: str, apart: str, names: tuple[str, ...], shapes: tuple[tuple[int, ...], ...]
) -> Stacking:
    """Of the gates in `apart` the two biases stay two."""
    recurrent = [f"b.{gate}h" if gate in apart else f"{ADDED}b.{gate}" for gate in gates]
    held = {
        "weight_ih": [f"W.{gate}" for gate in gates],
        "weight_hh": [f"U.{gate}" for gate in gates],
        "bias_ih": [f"b.{gate}" for gate in gates],
        "bias_hh": recurrent,
        "weight_hr": ["R.h"],
    }
    members = tuple(tuple(held[name]) for name in names)
    parts = tuple(
        (shape[0] // len(each), *shape[1:]) for each, shape in zip(members, shapes, strict=True)
    )
    return Stacking(members, parts)
