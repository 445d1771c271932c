"""From hidden states to the tokens of a vocabulary: a full, a tied, or an adaptive softmax."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

IGNORED = -100  # a target that does not count, as torch has it


class FullOutput(nn.Linear):
    """A linear layer over the vocabulary with weights of its own.

    Args:
        size: Of the hidden state, H.
        vocabulary: V.
    """

    def loss(self, hidden: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """Return the cross entropy in nats.

        Args:
            hidden: `(T, B, H)`.
            targets: `(T, B)`; `IGNORED` does not count.
            reduction: `"mean"` or `"sum"` over the targets.
        """
        return cross_entropy(self(hidden), targets, reduction)


class TiedOutput(nn.Module):
    """A linear layer over the vocabulary whose weights are the embedding's.

    Press & Wolf (2017, arXiv:1608.05859), Inan, Khosravi & Socher (2017, arXiv:1611.01462). Where
    the hidden state has another size than a token's vector, a projection comes between.

    Args:
        size: Of the hidden state, H.
        embedding: Of the tokens, `(V, E)`; it stays its model's.
    """

    def __init__(self, size: int, embedding: nn.Embedding):
        super().__init__()
        self.tied = (embedding,)  # in a tuple: its weights are named once, by the model
        E = embedding.embedding_dim
        self.projection = nn.Identity() if size == E else nn.Linear(size, E, bias=False)
        self.bias = nn.Parameter(torch.zeros(embedding.num_embeddings))

    @property
    def weight(self) -> Tensor:
        """The embedding's, `(V, E)`."""
        return self.tied[0].weight

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logits `(..., V)` of hidden states `(..., H)`."""
        return functional.linear(self.projection(hidden), self.weight, self.bias)

    def loss(self, hidden: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """See `FullOutput.loss`."""
        return cross_entropy(self(hidden), targets, reduction)


class AdaptiveOutput(nn.Module):
    """A softmax in clusters: the frequent tokens in full, the rare ones only where they are needed.

    Grave et al. (2017, arXiv:1609.04309). Learning costs what the frequent tokens cost; the
    probabilities are exact.

    Args:
        size: Of the hidden state, H.
        vocabulary: V.
        cutoffs: Where the clusters begin, by rank of frequency.

    Attributes:
        rank: Each token's rank, `(V,)`, 0 the most frequent; `order_by` sets it.
    """

    rank: Tensor

    def __init__(self, size: int, vocabulary: int, cutoffs: Sequence[int]):
        super().__init__()
        # each cluster reads a quarter of the numbers of the one before it, where that leaves any
        share = 4.0 if size >= 4 ** len(cutoffs) else 1.0
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(
            size, vocabulary, list(cutoffs), share, head_bias=True
        )
        self.register_buffer("rank", torch.arange(vocabulary))

    def order_by(self, counts: Tensor) -> None:
        """Rank the tokens by how often they occur, `(V,)`; equal ones by their number."""
        order = counts.argsort(descending=True, stable=True)
        self.rank[order] = torch.arange(len(order), device=self.rank.device)

    def forward(self, hidden: Tensor) -> Tensor:
        """Return the logarithms of the probabilities, `(..., V)`, of hidden states `(..., H)`."""
        flat = hidden.reshape(-1, hidden.shape[-1])
        return self.softmax.log_prob(flat)[:, self.rank].reshape(*hidden.shape[:-1], -1)

    def loss(self, hidden: Tensor, targets: Tensor, reduction: str) -> Tensor:
        """See `FullOutput.loss`."""
        counted = targets != IGNORED
        likely = self.softmax(hidden[counted], self.rank[targets[counted]]).output
        return -likely.mean() if reduction == "mean" else -likely.sum()


def cross_entropy(scores: Tensor, targets: Tensor, reduction: str) -> Tensor:
    """Return the cross entropy of scores `(T, B, V)`, in nats."""
    return functional.cross_entropy(
        scores.flatten(0, 1), targets.flatten(), reduction=reduction, ignore_index=IGNORED
    )


def build_output(size: int, embedding: nn.Embedding, tied: bool, cutoffs: Sequence[int]) -> Any:
    """Return the output of a language model.

    Args:
        size: Of the hidden state, H.
        embedding: Of the tokens.
        tied: Whether its weights are the output's too.
        cutoffs: Of an adaptive softmax; none is a full one.

    Raises:
        ValueError: It is to be tied and adaptive.
    """
    if tied and cutoffs:
        raise ValueError("an adaptive softmax has weights of its own: it cannot be tied")
    if tied:
        return TiedOutput(size, embedding)
    if cutoffs:
        return AdaptiveOutput(size, embedding.num_embeddings, cutoffs)
    return FullOutput(size, embedding.num_embeddings)


def choose_cutoffs(vocabulary: int) -> tuple[int, ...]:
    """Return where the clusters of an adaptive softmax begin.

    A twentieth of the vocabulary, which is most of a text, is always computed; the rest is two
    clusters.

    Raises:
        ValueError: The vocabulary is too small to have clusters.

    Example:
        >>> choose_cutoffs(50_000)
        (2500, 12500)
    """
    if vocabulary < 100:
        raise ValueError(
            f"softmax: adaptive is for large vocabularies, and this one has {vocabulary} tokens; "
            "take full"
        )
    return vocabulary // 20, vocabulary // 4
