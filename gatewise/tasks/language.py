"""The language model: the next token from all tokens before it."""

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from gatewise.cells import get
from gatewise.equations import Cell
from gatewise.layers import GRU, LSTM, RNN, Recurrent

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
    """Embedding, recurrent layers, and a linear head over the vocabulary.

    Args:
        vocabulary: How many tokens there are, V.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        embedding: Size of a token's vector, the recurrent layers' input size I.
        hidden: Hidden size, H.
        layers: Number of recurrent layers.
        dropout: Probability of dropping a value, between layers and before the head; half of it
            on the embedded tokens.
    """

    def __init__(
        self,
        vocabulary: int,
        cell: str | Cell = "lstm",
        embedding: int = 64,
        hidden: int = 512,
        layers: int = 1,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.embedding = nn.Embedding(vocabulary, embedding)
        self.recurrent = recurrent_layers(cell, embedding, hidden, layers, dropout)
        output = getattr(self.recurrent, "output_size", hidden)
        self.head = nn.Linear(output, vocabulary)
        self.input_dropout = nn.Dropout(dropout / 2)
        self.output_dropout = nn.Dropout(dropout)

    def forward(self, tokens: torch.Tensor, state: Any = None) -> tuple[torch.Tensor, Any]:
        """Read tokens on from a state.

        Args:
            tokens: `(T, B)` in int64.
            state: The state after the tokens before; None begins anew.

        Returns:
            The logits of the token after each, `(T, B, V)`, and the state after the last.
        """
        embedded = self.input_dropout(self.embedding(tokens))
        hidden, state = self.recurrent(embedded, state)
        return self.head(self.output_dropout(hidden)), state

    def loss(
        self,
        inputs: torch.Tensor,
        targets: torch.Tensor,
        state: Any = None,
        reduction: str = "mean",
    ) -> tuple[torch.Tensor, Any]:
        """Measure how surprising the targets are.

        Args:
            inputs: Tokens, `(T, B)`.
            targets: The token after each, `(T, B)`; -100 where there is none.
            state: The state after the tokens before; None begins anew.
            reduction: `"mean"` or `"sum"` over the targets.

        Returns:
            The cross entropy in nats, and the state after the last token.
        """
        logits, state = self(inputs, state)
        entropy = functional.cross_entropy(
            logits.flatten(0, 1), targets.flatten(), reduction=reduction
        )
        return entropy, state


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
