"""Lyapunov exponents: how fast nearby states part, or come together, per step.

λ_i = lim 1/T Σ_t ln (R_t)_ii, where J_t Q_{t−1} = Q_t R_t is the QR decomposition of each step's
Jacobian applied to the frame that the last step left (Vogt et al. 2022, arXiv:2006.14123;
Benettin et al. 1980). The largest exponent below 0: what a network knew fades, and with it the
gradient, by exp(λ) per step; above 0: nearby states part, and gradients explode. Along a short
input they are exponents of a finite time, in which the beginning still shows: use long sequences.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from gatewise.lens.jacobian import jacobian_blocks
from gatewise.lens.recorded import Recorded, state_sizes
from gatewise.lens.table import format_table


@dataclass(frozen=True)
class LyapunovExponents:
    """How states part along each sequence.

    Attributes:
        exponents: ``(B, S)`` falling, in 1/step (natural logarithm); −inf for a direction that is
            lost at once. S units of all states together.
        steps: how many steps were averaged over.
    """

    exponents: Tensor
    steps: int

    @property
    def largest(self) -> Tensor:
        """``(B,)``: the exponent that decides."""
        return self.exponents[:, 0]

    def table(self, row: int = 0, count: int = 10) -> str:
        """The largest exponents of one sequence, and in how many steps each halves or doubles."""
        rows = []
        for exponent in self.exponents[row, :count].tolist():
            steps = abs(0.6931471805599453 / exponent) if exponent else torch.inf
            rows.append([exponent, "doubles in" if exponent > 0 else "halves in", steps])
        return format_table(["exponent", "a difference", "steps"], rows)

    def __str__(self) -> str:
        worst = float(self.largest.max())
        do = "part" if worst > 0 else "come together"
        return (
            f"largest Lyapunov exponent {worst:.3g} per step over {self.steps} steps: nearby "
            f"states {do}"
        )


def lyapunov_exponents(
    recorded: Recorded, warm_up: int = 0, count: int | None = None
) -> LyapunovExponents:
    """Measure the Lyapunov exponents along recorded sequences, in float64.

    Args:
        recorded: one layer and direction of a trace; sequences of one length.
        warm_up: steps to let the frame turn into its directions before anything is counted.
        count: how many exponents, the largest; all where left out.

    Raises:
        ValueError: no step is left after the warm-up, or sequences end early.

    Example:
        >>> import gatewise as gw
        >>> layer = gw.RNN(3, 5)
        >>> with gw.trace(layer) as t:
        ...     y, state = layer(torch.randn(50, 2, 3))
        >>> found = lyapunov_exponents(t.only)
        >>> found.exponents.shape, bool((found.largest < 0).all())
        (torch.Size([2, 5]), True)
    """
    T, B = recorded.operands.x.shape[:2]
    if "alive" in recorded.operands.inputs:
        raise ValueError(
            "lyapunov_exponents: sequences of one length are needed; leave lengths out."
        )
    if not 0 <= warm_up < T:
        raise ValueError(f"warm_up={warm_up}: of {T} steps, at least one must be left.")
    S = sum(state_sizes(recorded.recurrence).values())
    K = min(count or S, S)
    like = recorded.operands.x
    frame = torch.eye(S, K, dtype=torch.float64, device=like.device).expand(B, S, K)
    sums = torch.zeros(B, K, dtype=torch.float64, device=like.device)
    ran = 0
    for _, block in jacobian_blocks(recorded):
        for jacobian in block.flip(0) if recorded.recurrence.reverse else block:
            frame, stretch = torch.linalg.qr(jacobian.double() @ frame)
            if ran >= warm_up:
                sums += stretch.diagonal(dim1=-2, dim2=-1).abs().log()
            ran += 1
    exponents = sums / (T - warm_up)
    return LyapunovExponents(exponents.sort(descending=True).values, T - warm_up)
