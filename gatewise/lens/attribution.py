"""What attributions over time share: the score they explain, its input, and the result."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from gatewise.lens.table import format_steps

Score = Callable[[Tensor], Tensor]
"""From an input ``(T, B, I)``, or ``(B, T, I)``, to one number per sequence, ``(B,)``."""


@dataclass(frozen=True)
class Attribution:
    """How much each input speaks for a score.

    Attributes:
        method: what it was computed with.
        values: the input's shape, ``(T, B, I)`` or ``(B, T, I)``; I is 1 where a step is one whole.
        score: ``(B,)``, the score of the input.
        baseline_score: ``(B,)``, the score of the baseline.
        batch_first: whether the batch comes before time.
        gap: ``(B,)``, by how much the values' sum misses ``score - baseline_score``; None for a
            method that does not promise that sum.
    """

    method: str
    values: Tensor
    score: Tensor
    baseline_score: Tensor
    batch_first: bool = False
    gap: Tensor | None = None

    @property
    def steps(self) -> Tensor:
        """``(T, B)``: the sum over the units of each step, time first."""
        summed = self.values.sum(-1)
        return summed.T if self.batch_first else summed

    def table(self, row: int = 0, labels: Sequence[str] | None = None, count: int = 10) -> str:
        """The steps of one sequence that weigh most, in the order of time.

        Args:
            row: which sequence of the batch.
            labels: what stood at each step, such as its words.
            count: how many steps.
        """
        steps = self.steps[:, row]
        order = steps.abs().argsort(descending=True, stable=True)[:count].sort().values.tolist()
        return format_steps(order, {self.method: steps.tolist()}, labels)

    def __str__(self) -> str:
        lines = [
            f"{self.method}: score {float(self.score[0]):.4g}, "
            f"of the baseline {float(self.baseline_score[0]):.4g}"
        ]
        if self.gap is not None:
            lines.append(f"the values' sum misses the difference by {float(self.gap[0]):.2g}")
        return "\n".join([*lines, self.table()])


def embedded(
    score: Callable[[Tensor], Tensor], tokens: Tensor, embedding: nn.Module
) -> tuple[Score, Tensor]:
    """A score of tokens as a score of their embedded vectors, which may vary smoothly.

    Args:
        score: from tokens to ``(B,)``; runs the model, whose `embedding` it calls once.
        tokens: ``(T, B)`` or ``(B, T)``, int64.
        embedding: the model's module from tokens to vectors.

    Returns:
        The score as a function of vectors, and the vectors of these tokens: the first two arguments
        of `integrated_gradients`, `occlusion`, `temporal_rescaling` and `deletion_check`.

    Example:
        >>> table, layer = nn.Embedding(9, 3), nn.GRU(3, 5)
        >>> tokens = torch.tensor([[1], [2], [8]])
        >>> score, x = embedded(lambda words: layer(table(words))[0][-1].sum(-1), tokens, table)
        >>> x.shape, score(x).shape
        (torch.Size([3, 1, 3]), torch.Size([1]))
    """
    with torch.no_grad():
        vectors = embedding(tokens).detach()

    def of_vectors(x: Tensor) -> Tensor:
        with _in_place_of(embedding, x):
            return score(tokens)

    return of_vectors, vectors


@contextmanager
def _in_place_of(embedding: nn.Module, vectors: Tensor) -> Iterator[None]:
    """While it holds, the module returns these vectors."""
    calls = 0

    def replace(_module: nn.Module, _arguments: object, _output: object) -> Tensor:
        nonlocal calls
        calls += 1
        return vectors

    handle = embedding.register_forward_hook(replace)
    try:
        yield
    finally:
        handle.remove()
    if calls != 1:
        raise ValueError(
            f"the score called the embedding {calls} times, not once: "
            "what the input is would not be clear."
        )


def checked_score(score: Score, x: Tensor, batch_first: bool) -> Tensor:
    """The score of an input, without a gradient.

    Raises:
        ValueError: the input has no three dimensions, or the score is not one number per sequence.
    """
    if x.dim() != 3 or not x.is_floating_point():
        raise ValueError(
            f"the input is {tuple(x.shape)} of {x.dtype}; (T, B, I) of floating dtype is needed. "
            "For tokens, embedded(score, tokens, embedding) makes it of them."
        )
    B = x.shape[0 if batch_first else 1]
    with torch.no_grad():
        found = score(x)
    if found.shape != (B,):
        raise ValueError(
            f"the score has shape {tuple(found.shape)}; it must be one number for each of the {B} "
            "sequences, such as one logit: lambda x: model(x)[:, k]."
        )
    return found


def checked_baseline(x: Tensor, baseline: Tensor | None) -> Tensor:
    """The input that counts as no information: zeros where none is given, broadcast to x."""
    if baseline is None:
        return torch.zeros_like(x)
    return baseline.to(x).expand_as(x)


def score_gradient(score: Score, x: Tensor) -> Tensor:
    """∂score/∂x in the shape of x; sequences do not act on each other."""
    x = x.detach().requires_grad_()
    # cuDNN's recurrent layers differentiate in training mode alone; torch's own do in both
    with torch.enable_grad(), torch.backends.cudnn.flags(enabled=not x.is_cuda):
        (found,) = torch.autograd.grad(score(x).sum(), x)
    return found


def with_steps(x: Tensor, other: Tensor, chosen: Tensor, batch_first: bool) -> Tensor:
    """The input with chosen steps of each sequence, ``(T, B)`` bool, taken from another one."""
    chosen = chosen.T if batch_first else chosen
    return torch.where(chosen[..., None], other, x)
