"""Torch's stacked weights under the names that the equations give them."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from torch import Tensor

from gatewise.backends import Stacked, Stacking, constant
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
    tensors = [stored["weight_ih"], stored["weight_hh"]]
    if "weight_hr" in stored:
        tensors.append(stored["weight_hr"])
    added = ""
    if "bias_ih" in stored:
        added = "".join(gate for gate in gates if f"b.{gate}h" not in graph.parameters)
        ih, hh = stored["bias_ih"], stored["bias_hh"]
        if added == gates:
            tensors.append(ih + hh)
        else:
            rows = len(added) * ih.shape[0] // len(gates)
            tensors += [ih[:rows] + hh[:rows], ih[rows:], hh[rows:]]
    shapes = tuple(tuple(tensor.shape) for tensor in tensors)
    return Stacked(tensors, _stacking(gates, added, "weight_hr" in stored, shapes))


@constant
def _stacking(
    gates: str, added: str, projects: bool, shapes: tuple[tuple[int, ...], ...]
) -> Stacking:
    return _made_stacking(gates, added, projects, shapes)


@lru_cache(maxsize=256)
def _made_stacking(
    gates: str, added: str, projects: bool, shapes: tuple[tuple[int, ...], ...]
) -> Stacking:
    """The names of what `named_weights` stacks; biases of the gates in `added` are sums."""
    members = [[f"W.{gate}" for gate in gates], [f"U.{gate}" for gate in gates]]
    if projects:
        members.append(["R.h"])
    if added:
        others = gates[len(added) :]
        members.append([f"b.{gate}" for gate in added])
        members += [[f"b.{gate}" for gate in others], [f"b.{gate}h" for gate in others]]
    kept = tuple(tuple(names) for names in members if names)
    parts = tuple(
        (shape[0] // len(names), *shape[1:]) for names, shape in zip(kept, shapes, strict=True)
    )
    return Stacking(kept, parts)
