"""Two models on the same input: how alike their states are, and where their results part.

Linear CKA, ‖Ỹᵀ X̃‖²_F / (‖X̃ᵀ X̃‖_F ‖Ỹᵀ Ỹ‖_F) on centred states (Kornblith et al. 2019,
arXiv:1905.00414, section 3), is 1 for states that are rotations or scalings of each
other, and 0 for states without any linear relation; sizes may differ. The matching correlation asks
the same of single units: the mean, over the units of one model, of the largest |r| with any unit of
the other (Li et al. 2016, arXiv:1511.07543). With few steps and many units both are high for
unrelated states too, so beside each stands what the second model's steps in random order give.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.lens.recorded import counted_steps
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class StateComparison:
    """How alike the states of two models are.

    Attributes:
        similarity: linear CKA, 0 to 1.
        matching: mean over the first model's units of the largest |r| with a unit of the second.
        similarity_by_chance: linear CKA with the second model's steps in random order.
        matching_by_chance: likewise.
        partner: ``(H,)``, for each unit of the first model the unit of the second most like it.
    """

    similarity: float
    matching: float
    similarity_by_chance: float
    matching_by_chance: float
    partner: Tensor

    def __str__(self) -> str:
        return (
            f"CKA {self.similarity:.3g} (by chance {self.similarity_by_chance:.3g}), "
            f"unit by unit {self.matching:.3g} (by chance {self.matching_by_chance:.3g})"
        )


@dataclass(frozen=True)
class OutputComparison:
    """Where the results of two models part.

    Attributes:
        distance: ``(T, B)``, the norm of the difference at each step; NaN past a sequence's end.
        first: ``(B,)``, the first step at which it exceeds the tolerance; T where it never does.
        tolerance: that tolerance, relative to the norm of the first model's result.
    """

    distance: Tensor
    first: Tensor
    tolerance: float

    def table(self, row: int = 0) -> str:
        """The difference at each step of one sequence."""
        distances = self.distance[:, row].tolist()
        rows = [
            [t, d, "part here" if t == int(self.first[row]) else ""]
            for t, d in enumerate(distances)
        ]
        return format_table(["step", "difference", ""], rows)

    def __str__(self) -> str:
        parted = self.first < len(self.distance)
        if not bool(parted.any()):
            return f"the results agree at every step, to {self.tolerance:g} of their size"
        return (
            f"{int(parted.sum())} of {len(self.first)} sequences part, the first at step "
            f"{int(self.first.min())}"
        )


def compare_states(
    first: Tensor, second: Tensor, alive: Tensor | None = None, seed: int = 0
) -> StateComparison:
    """Compare the states of two models at the same steps of the same input.

    Args:
        first: ``(T, B, H)``.
        second: ``(T, B, H')``, of another model, cell or layer.
        alive: ``(T, B)`` bool, steps that count; where left out, those without NaN.
        seed: of the random order.

    Raises:
        ValueError: they do not have the same steps and sequences, or fewer than three steps count.

    Example:
        >>> states = torch.randn(30, 4, 6)
        >>> turned = states @ torch.linalg.qr(torch.randn(6, 6)).Q
        >>> found = compare_states(states, 3 * turned)
        >>> round(found.similarity, 3), found.similarity_by_chance < 0.3
        (1.0, True)
    """
    if first.shape[:2] != second.shape[:2]:
        raise ValueError(
            f"states {tuple(first.shape)} and {tuple(second.shape)} are not of the same steps and "
            "sequences: run both models on one input."
        )
    counted = counted_steps(first, alive).cpu() & counted_steps(second, alive).cpu()
    a, c = (value.detach().double().cpu()[counted] for value in (first, second))
    if len(a) < 3:
        raise ValueError("compare_states: three steps at least must count.")
    order = torch.randperm(len(a), generator=torch.Generator().manual_seed(seed))
    correlation = _correlations(a, c)
    return StateComparison(
        _linear_cka(a, c),
        float(correlation.amax(1).mean()),
        _linear_cka(a, c[order]),
        float(_correlations(a, c[order]).amax(1).mean()),
        correlation.argmax(1),
    )


def compare_outputs(
    first: Tensor, second: Tensor, tolerance: float = 1e-3, alive: Tensor | None = None
) -> OutputComparison:
    """Find the first step at which the results of two models differ.

    Args:
        first: ``(T, B, K)``, such as logits or forecasts.
        second: the same of the other model.
        tolerance: a difference counts beyond this share of 1 + the norm of the first result.
        alive: ``(T, B)`` bool, steps that count.

    Raises:
        ValueError: the shapes differ.

    Example:
        >>> first = torch.zeros(5, 2, 3)
        >>> second = first.clone()
        >>> second[3:, 1] = 1.0
        >>> print(compare_outputs(first, second))
        1 of 2 sequences part, the first at step 3
    """
    if first.shape != second.shape:
        raise ValueError(f"results {tuple(first.shape)} and {tuple(second.shape)} differ in shape.")
    T = len(first)
    distance = (first.detach() - second.detach()).norm(dim=-1)
    beyond = ~(distance <= tolerance * (1 + first.detach().norm(dim=-1)))  # NaN differs from all
    if alive is not None:
        beyond &= alive
        distance = distance.masked_fill(~alive, torch.nan)
    steps = torch.arange(T, device=beyond.device)[:, None].expand_as(beyond)
    return OutputComparison(distance, steps.masked_fill(~beyond, T).amin(0), tolerance)


def _linear_cka(a: Tensor, c: Tensor) -> float:
    a, c = a - a.mean(0), c - c.mean(0)
    sizes = (a.T @ a).norm() * (c.T @ c).norm()
    return float((c.T @ a).pow(2).sum() / sizes) if float(sizes) > 0 else 0.0


def _correlations(a: Tensor, c: Tensor) -> Tensor:
    """|r| of every unit with every unit; 0 for one that never changes."""
    a, c = a - a.mean(0), c - c.mean(0)
    sizes = a.norm(dim=0)[:, None] * c.norm(dim=0)
    return torch.where(sizes > 1e-12, (a.T @ c).abs() / sizes, 0.0)
