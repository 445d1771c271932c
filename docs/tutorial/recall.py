"""The task of chapters 1, 2, 5 and 9: which of four symbols came first?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

SYMBOLS = 4


class Recall(nn.Module):
    """A recurrent layer and a head that reads its last step.

    Args:
        layer: reads ``(T, B, 4)`` and returns ``(T, B, H)`` and a state.
        hidden: its output size H.
    """

    def __init__(self, layer: nn.Module, hidden: int):
        super().__init__()
        self.recurrent = layer
        self.head = nn.Linear(hidden, SYMBOLS)

    def forward(self, x: Tensor) -> Tensor:
        """A score for each symbol, ``(B, 4)``."""
        return self.head(self.recurrent(x)[0][-1])


def draw(T: int, B: int, seed: torch.Generator) -> tuple[Tensor, Tensor]:
    """``(T, B, 4)``: B sequences of symbols, each a one among zeros; and the first symbols."""
    symbols = torch.randint(SYMBOLS, (T, B), generator=seed)
    return nn.functional.one_hot(symbols, SYMBOLS).to(torch.get_default_dtype()), symbols[0]


def train(
    model: nn.Module,
    optimizer: torch.optim.Optimizer,
    clip: float | None = None,
    T: int = 15,
    steps: int = 600,
    seed: int = 0,
) -> list[float]:
    """Learn from 32 new sequences at each step; the gradient's norm at each step."""
    source, norms = torch.Generator().manual_seed(seed), []
    for _ in range(steps):
        x, first = draw(T, 32, source)
        loss = nn.functional.cross_entropy(model(x), first)
        optimizer.zero_grad()
        loss.backward()
        largest = float("inf") if clip is None else clip
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), largest)))
        optimizer.step()
    return norms


@torch.no_grad()
def right(model: Any, T: int = 15) -> float:
    """The share of right answers for 400 sequences that it has not learned from."""
    x, first = draw(T, 400, torch.Generator().manual_seed(1))
    return float((model(x).argmax(1) == first).float().mean())
