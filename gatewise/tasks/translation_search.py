"""Beam search: the likeliest translations, without trying them all."""

from collections.abc import Collection
from typing import Any, NamedTuple

import torch
from torch import Tensor

from gatewise.tasks.translation import Memory, Translator, select_rows


class Hypothesis(NamedTuple):
    """A translation.

    Attributes:
        tokens: Without the end.
        score: The logarithm of its probability over its length penalty, in nats.
    """

    tokens: list[int]
    score: float


def length_penalty(length: Tensor | int, strength: float) -> Any:
    """Return what a log probability is divided by: Wu et al. (2016), equation 14.

    Args:
        length: Tokens with the end.
        strength: α; 0 leaves probabilities as they are, which favours short translations.

    Example:
        >>> length_penalty(7, 1.0)
        2.0
    """
    return ((5 + length) / 6) ** strength


@torch.no_grad()
def search(
    model: Translator,
    memory: Memory,
    limits: Tensor,
    beam: int = 5,
    strength: float = 1.0,
    forbidden: Collection[int] = (),
) -> list[list[Hypothesis]]:
    """Search translations.

    At every step the best `beam` of all continuations are kept; ended ones compete with those that
    go on, each by its probability over its length penalty.

    Args:
        model: In evaluation mode.
        memory: What `Translator.encode` returned of B sources.
        limits: Tokens at most, with the end, `(B,)`.
        beam: Hypotheses that are kept, K; 1 always takes the likeliest token.
        strength: See `length_penalty`.
        forbidden: Tokens that are never written.

    Returns:
        For each source at most K hypotheses, the best first.
    """
    B, K, end = len(memory.keys), beam, model.end
    device = memory.keys.device
    scores = torch.full((B, K), -torch.inf, device=device)
    scores[:, 0] = 0.0  # all rows are alike at first: one counts
    ended = torch.zeros(B, K, dtype=torch.bool, device=device)
    lengths = torch.zeros(B, K, dtype=torch.long, device=device)
    written = torch.empty(B, K, 0, dtype=torch.long, device=device)
    tokens = torch.full((B * K,), end, device=device)
    state: Any = None
    first = torch.arange(B, device=device)[:, None] * K
    for step in range(int(limits.max())):
        logs, state = model.step(tokens, memory, state)
        logs = logs.view(B, K, -1)
        logs[..., list(forbidden)] = -torch.inf
        # what has ended, or must, can only be followed by the end; after an end that costs nothing
        last = ended | (step + 1 >= limits)[:, None]
        closing = torch.where(ended, 0.0, logs[..., end])
        logs = logs.masked_fill(last[..., None], -torch.inf)
        logs[..., end] = torch.where(last, closing, logs[..., end])
        W = logs.shape[-1]
        longer = lengths + ~ended
        total = scores[..., None] + logs
        merit = (total / length_penalty(longer, strength)[..., None]).view(B, K * W)
        chosen = merit.topk(K).indices
        parents, found = chosen // W, chosen % W
        scores = total.view(B, K * W).gather(1, chosen)
        lengths = longer.gather(1, parents)
        ended = found == end
        kept = written.gather(1, parents[..., None].expand(-1, -1, step))
        written = torch.cat([kept, found[..., None]], -1)
        if bool((ended | scores.isneginf()).all()):
            break
        tokens = found.view(-1)
        state = select_rows(state, (first + parents).view(-1))
    merit = scores / length_penalty(lengths, strength)
    return [collect(*row, end) for row in zip(written.tolist(), merit.tolist(), strict=True)]


def collect(written: list[list[int]], merit: list[float], end: int) -> list[Hypothesis]:
    """Return the hypotheses of one source, the best first."""
    found = [
        Hypothesis([token for token in tokens if token != end], score)
        for tokens, score in zip(written, merit, strict=True)
        if score > -torch.inf
    ]
    return sorted(found, key=lambda each: -each.score)
