"""How long a unit keeps what it holds, read off its forget gate.

A state that is multiplied with f at every step falls as f^t = exp(−t/τ) with τ = −1/ln f, close to
1/(1 − f) for f near 1 (Tallec & Ollivier 2018, arXiv:1804.11188; Mahto et al. 2021,
arXiv:2009.12727). Over a sequence f changes; then τ = −1/mean(ln f_t) is exact for what
is left at its end, exp(−T/τ) = Π f_t.

That is the time in which the *old value* decays if nothing is written again. It equals the time a
network remembers only under an assumption about its gradients (Ohno & Kumagai 2021,
arXiv:2111.03282), since what is written may repeat what was known: compare `gradient_by_lag`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.equations.memory import ForgetGate, forget_gates
from gatewise.lens.recorded import Recorded, alive_steps, evaluate
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class Timescale:
    """The timescales of one state under one forget gate.

    Attributes:
        gate: name of the gate.
        state: name of the state that it multiplies.
        steps: ``(H,)``, τ in steps over all recorded steps; inf for a gate that is always 1, 0 for
            one that is ever 0.
        by_sequence: ``(B, H)``, τ of each sequence.
        at_rest: ``(H,)``, τ for the gate's bias alone, without input and last state; None for a
            gate without a bias.
    """

    gate: str
    state: str
    steps: Tensor
    by_sequence: Tensor
    at_rest: Tensor | None

    def table(self, count: int = 10) -> str:
        """The slowest units, one a line."""
        order = self.steps.argsort(descending=True, stable=True)[:count].tolist()
        rows = [
            [unit, float(self.steps[unit])]
            + ([] if self.at_rest is None else [float(self.at_rest[unit])])
            for unit in order
        ]
        header = ["unit", "τ in steps", "τ of its bias alone"]
        return format_table(header[: len(rows[0])], rows)

    def __str__(self) -> str:
        low, middle, high = (
            float(self.steps.double().quantile(q, interpolation="nearest")) for q in (0.1, 0.5, 0.9)
        )
        return (
            f"{self.state} under gate {self.gate}: half of its {len(self.steps)} units fall to 1/e "
            f"within {middle:.3g} steps, a tenth within {low:.3g}, nine tenths within {high:.3g}"
        )


def timescales(recorded: Recorded) -> list[Timescale]:
    """The timescales of every state that has a forget gate.

    Args:
        recorded: one layer and direction of a trace.

    Returns:
        One entry per forget gate (``f * c``, ``z * h`` or ``(1 - z) * h`` in the equations).

    Raises:
        ValueError: the cell has no forget gate.

    Example:
        >>> import gatewise as gw
        >>> layer = gw.LSTM(3, 5, forget_bias=4.0)
        >>> with gw.trace(layer) as t:
        ...     y, state = layer(torch.zeros(7, 2, 3))
        >>> (found,) = timescales(t.only)
        >>> found.state, found.at_rest.round().tolist()
        ('c', [55.0, 55.0, 55.0, 55.0, 55.0])
    """
    graph = recorded.recurrence.graph
    found = forget_gates(graph)
    if not found:
        raise ValueError(
            f"cell {graph.name!r} has no forget gate: none multiplies a last state. "
            "gradient_by_lag and lyapunov_exponents measure its memory."
        )
    return [_timescale(recorded, gate) for gate in found]


@torch.no_grad()
def _timescale(recorded: Recorded, forget: ForgetGate) -> Timescale:
    graph, alive = recorded.recurrence.graph, alive_steps(recorded)
    (gate,) = evaluate(recorded, [graph.values[forget.gate]])
    kept = gate if forget.keeps else 1 - gate
    alive = alive.to(kept.device)
    logs = torch.where(alive[..., None], kept.log(), 0.0).sum(0)
    counts = alive.sum(0)[:, None].to(kept.dtype)
    at_rest = None
    if forget.bias is not None:
        bias = recorded.operands.parameters[forget.bias]
        at_rest = _steps(torch.sigmoid(bias if forget.keeps else -bias).log())
    return Timescale(
        forget.gate,
        forget.state,
        _steps(logs.sum(0) / counts.sum(0)),
        _steps(logs / counts),
        at_rest,
    )


def _steps(log: Tensor) -> Tensor:
    """τ for the logarithm of what is kept: −1/ln f; where nothing is lost, inf."""
    return torch.where(log == 0, torch.inf, -1 / log)
