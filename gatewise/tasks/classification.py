"""The sequence classifier: a label, or a number, from all steps of a sequence."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from gatewise.equations import Cell
from gatewise.tasks.language import recurrent_layers
from gatewise.tasks.pooling import Pooling


class TokenInput(nn.Module):
    """Tokens as vectors.

    Args:
        vocabulary: How many tokens there are, V.
        size: Of a vector, E.
        unknown: The token that stands for words outside of the vocabulary, or None.
        word_dropout: Probability of a token's being read as unknown, or as zeros where there is no
            such token, in training.
    """

    def __init__(self, vocabulary: int, size: int, unknown: int | None, word_dropout: float = 0.0):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, size)
        self.unknown, self.word_dropout, self.size = unknown, word_dropout, size
        nn.init.normal_(self.embedding.weight, std=0.3)

    def forward(self, tokens: Tensor) -> Tensor:
        """Return the vectors `(T, B, E)` of tokens `(T, B)`."""
        if not self.training or not self.word_dropout:
            return self.embedding(tokens)
        dropped = torch.rand(tokens.shape, device=tokens.device) < self.word_dropout
        if self.unknown is None:
            return self.embedding(tokens) * ~dropped[..., None]
        return self.embedding(tokens.masked_fill(dropped, self.unknown))


class NumberInput(nn.Module):
    """Channels in units of their spread; a missing value is its channel's mean, and marked.

    Args:
        mean: Of each channel, `(C,)`.
        deviation: Its standard deviation.
        gaps: Whether each channel gets another beside it: 1 where its value is missing.
        size: Of the steps that come out, by a linear map; None keeps the channels as they are.
    """

    mean: Tensor
    deviation: Tensor

    def __init__(
        self, mean: Sequence[float], deviation: Sequence[float], gaps: bool, size: int | None = None
    ):
        super().__init__()
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32))
        self.register_buffer("deviation", torch.tensor(deviation, dtype=torch.float32))
        self.gaps = gaps
        channels = len(mean) * (2 if gaps else 1)
        self.map = None if size is None else nn.Linear(channels, size)
        self.size = size or channels

    def forward(self, values: Tensor) -> Tensor:
        """Return `(T, B, size)` of `(T, B, C)`, NaN where a value is missing."""
        missing = values.isnan() if values.is_floating_point() else None
        scaled = (values - self.mean) / self.deviation
        if missing is not None:
            scaled = scaled.masked_fill(missing, 0.0)
        if self.gaps:
            marks = torch.zeros_like(scaled) if missing is None else missing.to(scaled.dtype)
            scaled = torch.cat([scaled, marks], -1)
        return scaled if self.map is None else self.map(scaled)


class SequenceClassifier(nn.Module):
    """Input, recurrent layers, pooling over the steps, and a linear head.

    Args:
        source: What makes the steps of an input `(T, B, size)`.
        outputs: Numbers that come out, K.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size, H.
        layers: Number of recurrent layers.
        bidirectional: Whether a second recurrence runs from the end.
        pooling: `"last"`, `"mean"`, `"max"` or `"attention"`.
        dropout: Probability of dropping a value, of the input, between layers, before the head.
        shared: Whether the K outputs share one row of weights and differ by their bias alone, as
            those of ordered classes do (CORAL, Cao et al. 2020).
        memory: The longest time scale that forget gates begin with, in steps (chrono, Tallec &
            Ollivier 2018, eq. 16); 0 leaves the cell's own biases.
    """

    def __init__(
        self,
        source: TokenInput | NumberInput,
        outputs: int,
        cell: str | Cell = "lstm",
        hidden: int = 128,
        layers: int = 1,
        bidirectional: bool = True,
        pooling: str = "max",
        dropout: float = 0.0,
        shared: bool = False,
        memory: float = 0.0,
    ):
        super().__init__()
        self.source = source
        options = {"chrono": memory} if memory else {}
        self.recurrent = recurrent_layers(
            cell, source.size, hidden, layers, dropout, bidirectional=bidirectional, **options
        )
        size = output_size(self.recurrent, hidden)
        self.pooling = Pooling(pooling, size, 2 if bidirectional else 1)
        self.head = nn.Linear(size, 1 if shared else outputs)
        self.thresholds = nn.Parameter(torch.linspace(1, -1, outputs)) if shared else None
        self.input_dropout, self.output_dropout = nn.Dropout(dropout), nn.Dropout(dropout)

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Read whole sequences.

        Args:
            inputs: Tokens `(T, B)`, or numbers `(T, B, C)`.
            lengths: Steps of each, `(B,)` in int64; None is T for all.

        Returns:
            `(B, K)`: logits of classes, or of "above class k", or one number.
        """
        x = self.input_dropout(self.source(inputs))
        y, _ = self.recurrent(x, lengths=lengths)
        out = self.head(self.output_dropout(self.pooling(y, lengths)))
        return out if self.thresholds is None else out + self.thresholds


class Committee(nn.Module):
    """Classifiers of one make that learn side by side, each its own way: their mean says more.

    They differ by their first weights and by what dropout hides from each (Lakshminarayanan,
    Pritzel & Blundell 2017, algorithm 1, without adversarial examples).

    Args:
        members: The classifiers, one at least.
    """

    def __init__(self, members: Sequence[SequenceClassifier]):
        super().__init__()
        self.members = nn.ModuleList(members)

    def each(self, inputs: Tensor, lengths: Tensor | None = None) -> list[Tensor]:
        """Return what each member says, `(B, K)`; arguments as of `SequenceClassifier`."""
        return [member(inputs, lengths) for member in self.members]

    def forward(self, inputs: Tensor, lengths: Tensor | None = None) -> Tensor:
        """Return the mean of what all say, `(B, K)`."""
        return torch.stack(self.each(inputs, lengths)).mean(0)


def output_size(recurrent: Any, hidden: int) -> int:
    """Return how many units a layer gives out, both directions together."""
    found = getattr(recurrent, "output_size", None)
    return hidden * (2 if recurrent.bidirectional else 1) if found is None else int(found)
