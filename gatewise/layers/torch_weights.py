"""Torch's stacked weights under the names that the equations give them."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gatewise.equations import Graph


def named_weights(gates: str, stored: Mapping[str, Tensor], graph: Graph) -> dict[str, Tensor]:
    """Views of torch's parameters by equation name.

    Torch adds two biases in every gate. The equations have one, their sum; a second one
    (``b.nh`` of the GRU) only where the recurrent bias is not simply added.

    Args:
        gates: the letters of the gates in torch's order.
        stored: ``weight_ih``, ``weight_hh`` and, where there are, ``bias_ih``, ``bias_hh``,
            ``weight_hr``.
        graph: the equations; tells which biases there are.
    """
    named: dict[str, Tensor] = {}
    rows = stored["weight_ih"].shape[0] // len(gates)
    for name, letter in (("weight_ih", "W"), ("weight_hh", "U")):
        for gate, part in zip(gates, stored[name].split(rows), strict=True):
            named[f"{letter}.{gate}"] = part
    if "weight_hr" in stored:
        named["R.h"] = stored["weight_hr"]
    if "bias_ih" in stored:
        sums = (stored["bias_ih"] + stored["bias_hh"]).split(rows)
        for k, (gate, both) in enumerate(zip(gates, sums, strict=True)):
            if f"b.{gate}h" in graph.parameters:
                named[f"b.{gate}"] = stored["bias_ih"][k * rows : (k + 1) * rows]
                named[f"b.{gate}h"] = stored["bias_hh"][k * rows : (k + 1) * rows]
            else:
                named[f"b.{gate}"] = both
    return named
