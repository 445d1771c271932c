"""Whether what a recurrence was given is still what it was."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gatewise.backends import Operands
from gatewise.backends.recurrence import Stacked

VALUES = (
    "read values before the weights change, or name them: gw.trace(model, values=('f', ...)) "
    "computes them as soon as the layer has run."
)
"""What to do about it."""


class Versions:
    """Whether tensors were changed in place since they were given here.

    Args:
        operands: the tensors; those made in inference mode count no versions and are left out.
    """

    def __init__(self, operands: Operands):
        groups = (operands.inputs, operands.states, operands.givens)
        named = {name: value for group in groups for name, value in group.items()}
        weights = operands.parameters
        if isinstance(weights, Stacked):
            named |= {
                ", ".join(m): t
                for m, t in zip(weights.stacking.members, weights.tensors, strict=True)
            }
        else:
            named |= weights
        self._known = [(n, t, t._version) for n, t in named.items() if not t.is_inference()]

    def changed(self) -> str | None:
        """The name of one that was; None where none was."""
        return next((name for name, t, version in self._known if t._version != version), None)


def detached(operands: Operands) -> Operands:
    """The same tensors, cut off from any graph of gradients."""
    weights: Mapping[str, Tensor] = operands.parameters
    if isinstance(weights, Stacked):
        weights = Stacked([tensor.detach() for tensor in weights.tensors], weights.stacking)
    else:
        weights = {name: value.detach() for name, value in weights.items()}
    others = (operands.inputs, operands.states, operands.givens)
    inputs, states, givens = ({n: v.detach() for n, v in each.items()} for each in others)
    return Operands(inputs, states, weights, givens)
