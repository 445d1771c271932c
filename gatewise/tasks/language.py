"""The language model: the next token from all tokens before it."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import nn

from gatewise.cells import get
from gatewise.equations import Cell
from gatewise.layers import GRU, LSTM, RNN, Recurrent
from gatewise.tasks.vocabulary_output import build_output

TORCH_LAYERS: dict[str, Any] = {"lstm": LSTM, "gru": GRU, "rnn": RNN}
"""Cells that torch knows too: theirs are the layers with torch's fused operators."""


def recurrent_layers(
    cell: str | Cell,
    input_size: int,
    hidden_size: int,
    num_layers: int = 1,
    dropout: float = 0.0,
    **options: Any,
) -> nn.Module:
    """Return layers of a cell, `(T, B, I)` to `(T, B, H)`, that hand their state on.

    Args:
        cell: A name of the catalogue, or a cell.
        input_size: I.
        hidden_size: H.
        num_layers: How many, one on top of the other.
        dropout: Between layers.
        **options: Further options of the layer, such as `forget_bias`.

    Raises:
        ValueError: The cell needs more than one input, or other sizes.
    """
    options.update(num_layers=num_layers, dropout=dropout if num_layers > 1 else 0.0)
    if isinstance(cell, str) and cell in TORCH_LAYERS:
        layer = TORCH_LAYERS[cell]
        return layer(input_size, hidden_size, **options)
    found = get(cell)
    if set(found.graph.inputs) != {"x"}:
        raise ValueError(
            f"cell {found.name!r} reads {', '.join(found.graph.inputs)} at every step, but here "
            "there is only x; take another cell"
        )
    return Recurrent(found, input_size, hidden_size, **options)


def embedding_size(cell: str | Cell, hidden: int, otherwise: int) -> int:
    """Return an input size that suits a cell: H for cells that use their input unit by unit."""
    return hidden if get(cell).graph.sizes.equal else otherwise


class LanguageModel(nn.Module):
    """Embedding, recurrent layers, and a head over the vocabulary.

    With its regularisers it is the AWD-LSTM of Merity, Keskar & Socher (2018, arXiv:1708.02182).

    Args:
        vocabulary: How many tokens there are, V.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        embedding: Size of a token's vector, the recurrent layers' input size I.
        hidden: Hidden size, H.
        layers: Number of recurrent layers.
        dropout: Probability of dropping a value, between layers and before the head; half of it
            on the embedded tokens.
        tied: Whether the head's weights are the embedding's; see `TiedOutput`.
        cutoffs: Of an adaptive softmax; see `AdaptiveOutput`. None is a full one.
        embedding_dropout: Probability of dropping a token's vector, wherever it stands in a window.
        activation_penalty: In training, the mean square of the dropped output times this is added
            to the loss: AR of section 4.6.
        change_penalty: Likewise the mean square of the output's change from step to step: TAR.
        options: Further ones of the recurrent layers, such as `weight_drop`.
    """

    def __init__(
        self,
        vocabulary: int,
        cell: str | Cell = "lstm",
        embedding: int = 64,
        hidden: int = 512,
        layers: int = 1,
        dropout: float = 0.0,
        tied: bool = False,
        cutoffs: Sequence[int] = (),
        embedding_dropout: float = 0.0,
        activation_penalty: float = 0.0,
        change_penalty: float = 0.0,
        options: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.recurrent = recurrent_layers(
            cell, embedding, hidden, layers, dropout, **(options or {})
        )
        output = int(getattr(self.recurrent, "output_size", hidden))
        self.head = build_output(output, self.embedding, tied, cutoffs)
        if tied:  # as large as a head's weights are, not as an embedding's
            nn.init.uniform_(self.embedding.weight, -0.1, 0.1)
        self.embedding_dropout = embedding_dropout
        self.activation_penalty, self.change_penalty = activation_penalty, change_penalty
        self.input_dropout = nn.Dropout(dropout / 2)
        self.output_dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """Read tokens on from a state.

        Args:
            tokens: `(T, B)` in int64.
            state: The state after the tokens before; None begins anew.

        Returns:
            The logits of the token after each, `(T, B, V)`, and the state after the last. Those of
            an adaptive softmax are logarithms of probabilities.
        """
        hidden, state = self.read(tokens, state)
        return self.head(self.output_dropout(hidden)), state

    def read(self, tokens: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """Return the top layer's output `(T, B, H)` for tokens `(T, B)`, and the last state."""
        return self.recurrent(self.input_dropout(self.embed(tokens)), state)

    def embed(self, tokens: torch.Tensor) -> torch.Tensor:
        """Return the vectors `(T, B, E)` of tokens `(T, B)`; in training some tokens have none."""
        if not (self.training and self.embedding_dropout):
            return self.embedding(tokens)
        kept = torch.empty_like(self.embedding.weight[:, :1]).bernoulli_(1 - self.embedding_dropout)
        return self.embedding(tokens) * (kept / (1 - self.embedding_dropout))[tokens]

    def loss(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        state: Any = None,
        reduction: str = "mean",
    ) -> tuple[torch.Tensor, Any]:
        """Measure how surprising the targets are; in training the penalties are added.

        Args:
            inputs: Tokens, `(T, B)`.
            targets: The token after each, `(T, B)`; -100 where there is none.
            state: The state after the tokens before; None begins anew.
            reduction: `"mean"` or `"sum"` over the targets.

        Returns:
            The cross entropy in nats, and the state after the last token.
        """
        hidden, state = self.read(inputs, state)
        dropped = self.output_dropout(hidden)
        loss = self.head.loss(dropped, targets, reduction)
        if self.training and self.activation_penalty:
            loss = loss + self.activation_penalty * dropped.square().mean()
        if self.training and self.change_penalty and len(hidden) > 1:
            loss = loss + self.change_penalty * hidden.diff(dim=0).square().mean()
        return loss, state


def bits_per_character(nats_per_token: float, tokens: int, characters: int) -> float:
    """Convert a loss to bits per character, whatever the tokens are.

    Args:
        nats_per_token: The mean loss.
        tokens: How many tokens the text has.
        characters: How many characters it has.
    """
    return nats_per_token / math.log(2) * tokens / characters


def perplexity(nats_per_token: float) -> float:
    """Return how many equally likely tokens would be as surprising; infinite beyond e^700."""
    return math.exp(nats_per_token) if nats_per_token < 700 else math.inf
