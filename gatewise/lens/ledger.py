"""The memory ledger: when the present value of a state was written, and how much of it is left.

For an additive state, c_t = a_t ⊙ c_{t−1} + w_t (for the LSTM a = f and w = i ⊙ g), unrolling gives

    c_T = Σ_j (Π_{k=j+1..T} a_k) ⊙ w_j + (Π_{k=1..T} a_k) ⊙ c_0

(Levy et al. 2018, arXiv:1805.03716, for the LSTM; it holds for every cell with such a state). The
sum is exact up to rounding: it is bookkeeping along the recorded path. It says *when* the value was
written, not why: the gates themselves were computed from what came before.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.equations import EquationError, Graph
from gatewise.equations.additive import additive_states, additive_update
from gatewise.lens.recorded import (
    Recorded,
    evaluate,
    in_running_order,
    position_of,
    state_sizes,
    states_after,
    states_before,
)
from gatewise.lens.table import format_steps


@dataclass(frozen=True)
class Ledger:
    """What a state's value at one step is made of.

    Attributes:
        state: its name.
        value: ``(B, H)``, the state after the step that was asked for.
        contributions: ``(T, B, H)``, what is left of what each step wrote; zero for steps that ran
            later. Steps are in the order of the input.
        survival: ``(T, B, H)``, the share of what each step wrote that is left; 1 at the step
            itself, zero for later ones.
        initial: ``(B, H)``, what is left of the state before the first step.
    """

    state: str
    value: Tensor
    contributions: Tensor
    survival: Tensor
    initial: Tensor

    @property
    def error(self) -> float:
        """By how much the entries' sum misses the value at most: rounding alone.

        Relative to the largest value, or to 1 where all are smaller.
        """
        missed = (self.contributions.sum(0) + self.initial - self.value).abs().amax()
        return float(missed / self.value.abs().amax().clamp(min=1))

    def shares(self) -> Tensor:
        """``(T, B)``: the weight of each step's entry, Σ|entry| over units, in that of all entries.

        What was there before the first step has the rest of 1; NaN where all entries are zero.
        """
        weights = self.contributions.abs().sum(-1)
        return weights / (weights.sum(0) + self.initial.abs().sum(-1))

    def table(
        self,
        row: int = 0,
        labels: Sequence[str] | None = None,
        count: int = 10,
        unit: int | None = None,
    ) -> str:
        """The steps that weigh most for one sequence.

        Args:
            row: which sequence of the batch.
            labels: what stood at each step, such as its words.
            count: how many steps.
            unit: which unit's entries to show; of all units, their weight, where left out.
        """
        if unit is None:
            entries, survival = self.shares()[:, row], self.survival[:, row].mean(-1)
            header = f"share of {self.state}"
        else:
            entries, survival = self.contributions[:, row, unit], self.survival[:, row, unit]
            header = f"in {self.state} of unit {unit}"
        order = entries.abs().argsort(descending=True, stable=True)[:count].sort().values.tolist()
        columns = {header: entries.tolist(), "survives": survival.tolist()}
        return format_steps(order, columns, labels)

    def __str__(self) -> str:
        return self.table()


def memory_ledger(
    recorded: Recorded, state: str | None = None, step: int | Tensor | None = None
) -> Ledger:
    """Account for a state at one step: what each earlier step wrote, and what is left of it.

    Defined for states that the cell updates by adding; whether one is, follows from the equations.
    Exact in the arithmetic of the recorded tensors. A step that resets the state ends every earlier
    entry.

    Args:
        recorded: one layer and direction of a trace.
        state: an additive state; where left out ``c``, else the first additive one.
        step: the reader's step, in the order of the input, negative ones from its end; ``(B,)`` for
            one per sequence; where left out the step that ran last (in reverse: the first).

    Raises:
        EquationError: the state, or every state of the cell, is updated in another way; says how.
        IndexError: there is no such step.

    Example:
        >>> import gatewise as gw
        >>> layer = gw.LSTM(3, 5)
        >>> with gw.trace(layer) as t:
        ...     y, state = layer(torch.randn(7, 2, 3))
        >>> ledger = memory_ledger(t.only)
        >>> ledger.contributions.shape, ledger.error < 1e-6
        (torch.Size([7, 2, 5]), True)
    """
    recurrence = recorded.recurrence
    update = additive_update(recurrence.graph, state or default_state(recurrence.graph))
    T, B = recorded.operands.x.shape[:2]
    shape = (T, B, state_sizes(recurrence)[update.state])
    with torch.no_grad():
        parts = evaluate(recorded, [update.kept, update.written])
        kept, written = (in_running_order(part.expand(shape), recurrence) for part in parts)
        position = position_of(step, recorded).to(kept.device)
        ran = torch.arange(T, device=kept.device)[:, None] <= position
        kept = kept.where(ran[..., None], torch.ones_like(kept))
        from_here = kept.flip(0).cumprod(0).flip(0)  # Π of a_k from this step on
        after = torch.cat([from_here[1:], torch.ones_like(kept[:1])])
        survival = after.where(ran[..., None], torch.zeros_like(after))
        start = in_running_order(states_before(recorded)[update.state], recurrence)[0]
        reached = in_running_order(states_after(recorded)[update.state], recurrence)
    return Ledger(
        update.state,
        reached[position, torch.arange(B, device=kept.device)],
        in_running_order(survival * written, recurrence),
        in_running_order(survival, recurrence),
        from_here[0] * start,
    )


def default_state(graph: Graph) -> str:
    """The additive state to look at where none is named: c, else the first.

    Raises:
        EquationError: no state of the cell is updated by adding.
    """
    found = additive_states(graph)
    if not found:
        reasons = []
        for name in graph.states:
            try:
                additive_update(graph, name)
            except EquationError as error:
                reasons.append(str(error).partition(": ")[2])
        raise EquationError(f"cell {graph.name!r} has no additive state: {' '.join(reasons)}")
    return "c" if "c" in found else found[0]
