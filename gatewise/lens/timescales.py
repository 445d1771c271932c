"""How long a unit keeps what it holds, read off what multiplies it.

A state that is multiplied with f at every step falls as f^t = exp(−t/τ) with τ = −1/ln f, close to
1/(1 − f) for f near 1 (Tallec & Ollivier 2018, arXiv:1804.11188; Mahto et al. 2021,
arXiv:2009.12727). Over a sequence f changes; then τ = −1/mean(ln f_t) is exact for what is left at
its end, exp(−T/τ) = Π f_t. What f is follows from the equations: the forget gate of an LSTM, z of a
GRU, a number or a product of gates elsewhere, zoneout included.

That is the time in which the *old value* decays if nothing is written again. It equals the time a
network remembers only under an assumption about its gradients (Ohno & Kumagai 2021,
arXiv:2111.03282), since what is written may repeat what was known: compare `gradient_by_lag`.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.equations.additive import additive_states, additive_update
from gatewise.equations.memory import ForgetGate, forget_gates
from gatewise.lens.ledger import default_state
from gatewise.lens.recorded import Recorded, alive_steps, evaluate
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class Timescale:
    """The timescales of one state.

    Attributes:
        state: its name.
        gate: name of the forget gate that multiplies it; None where something else does.
        steps: ``(H,)``, τ in steps over all recorded steps; inf for a unit that loses nothing, 0
            for one that is ever emptied, below 0 for one that grows by itself.
        by_sequence: ``(B, H)``, τ of each sequence.
        at_rest: ``(H,)``, τ for the gate's bias alone, without input and last state; None without
            such a bias.
    """

    state: str
    gate: str | None
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
        gate = "" if self.gate is None else f" under gate {self.gate}"
        return (
            f"{self.state}{gate}: half of its {len(self.steps)} units fall to 1/e "
            f"within {middle:.3g} steps, a tenth within {low:.3g}, nine tenths within {high:.3g}"
        )


def timescales(recorded: Recorded) -> list[Timescale]:
    """The timescales of every state that is updated by adding.

    Steps that reset the state, and those past the end of a sequence, do not count.

    Args:
        recorded: one layer and direction of a trace.

    Returns:
        One entry per state, in the cell's order.

    Raises:
        EquationError: the cell updates no state by adding: nothing multiplies what it holds.

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
    default_state(graph)  # which says what is wrong where there is none
    gates = {gate.state: gate for gate in forget_gates(graph)}
    return [_timescale(recorded, name, gates.get(name)) for name in additive_states(graph)]


@torch.no_grad()
def _timescale(recorded: Recorded, state: str, forget: ForgetGate | None) -> Timescale:
    graph, operands = recorded.recurrence.graph, recorded.operands
    (kept,) = evaluate(recorded, [additive_update(graph, state).kept])
    kept = kept.expand_as(recorded.before(state)).abs()
    counted = alive_steps(recorded).to(kept.device)
    if "reset" in operands.inputs:
        counted = counted & (operands.inputs["reset"][..., 0] <= 0.5)
    logs = torch.where(counted[..., None], kept.log(), 0.0).sum(0)
    counts = counted.sum(0)[:, None].to(kept.dtype)
    at_rest = None
    if forget is not None and forget.bias is not None:
        bias = operands.parameters[forget.bias]
        at_rest = _steps(torch.sigmoid(bias if forget.keeps else -bias).log())
    return Timescale(
        state,
        None if forget is None else forget.gate,
        _steps(logs.sum(0) / counts.sum(0)),
        _steps(logs / counts),
        at_rest,
    )


def _steps(log: Tensor) -> Tensor:
    """τ for the logarithm of what is kept: −1/ln f; where nothing is lost, inf."""
    return torch.where(log == 0, torch.inf, -1 / log)
