"""The translator: an encoder that reads both ways, and a decoder that attends to what it read."""

from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.utils import _pytree as pytree

from gatewise.equations import Cell
from gatewise.tasks.classification import output_size
from gatewise.tasks.language import recurrent_layers


class Memory(NamedTuple):
    """What the decoder reads of B sources.

    Attributes:
        values: The encoder's outputs, `(B, S, M)`.
        keys: What queries are compared with, `(B, S, H)`.
        padding: True past the end of a source, `(B, S)`.
        summary: What the decoder's first input is given besides, `(B, H)`.
    """

    values: Tensor
    keys: Tensor
    padding: Tensor
    summary: Tensor


class Translator(nn.Module):
    """Encoder and decoder with global attention (Luong, Pham & Manning 2015, equations 5 and 8).

    The decoder's first recurrence asks, attention answers, and further recurrences above read both
    (as in Wu et al. 2016, section 3), so that they know what has been attended to. No step's input
    depends on a step of its own layer other than through the recurrence: in training every layer
    runs over all target steps in one call.

    Args:
        sources: Tokens of the source vocabulary with the end, V.
        targets: Tokens of the target vocabulary with the end, W.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size H, and size of a token's vector.
        layers: Recurrent layers of the encoder, and of the decoder above the attention.
        dropout: Probability of dropping a value: of the vectors, between layers, before the head.
        shared: Whether both sides have one vocabulary; they then share the vectors too.
    """

    def __init__(
        self,
        sources: int,
        targets: int,
        cell: str | Cell = "lstm",
        hidden: int = 256,
        layers: int = 1,
        dropout: float = 0.3,
        shared: bool = False,
    ):
        super().__init__()
        H = hidden
        self.target_vectors = nn.Embedding(targets, H)
        self.source_vectors = self.target_vectors if shared else nn.Embedding(sources, H)
        for vectors in dict.fromkeys((self.target_vectors, self.source_vectors)):
            nn.init.normal_(vectors.weight, std=H**-0.5)
        self.encoder = recurrent_layers(cell, H, H, layers, dropout, bidirectional=True)
        read = output_size(self.encoder, H)
        self.asker = recurrent_layers(cell, H, H)
        asked = int(getattr(self.asker, "output_size", H))
        self.decoder = recurrent_layers(cell, H, H, layers, dropout)
        decoded = int(getattr(self.decoder, "output_size", H))
        self.summary = nn.Linear(read, H)
        self.key = nn.Linear(read, asked, bias=False)
        self.answer = nn.Linear(asked + read, H)
        self.output = nn.Linear(decoded + H, H)
        self.bias = nn.Parameter(torch.zeros(targets))  # the head's weights are the vectors
        self.dropout = nn.Dropout(dropout)
        self.scale = H**0.5

    @property
    def end(self) -> int:
        """The token that ends a target, and that stands before its first."""
        return self.target_vectors.num_embeddings - 1

    def encode(self, sources: Tensor, lengths: Tensor) -> Memory:
        """Read sources.

        Args:
            sources: Tokens, `(S, B)` in int64.
            lengths: `(B,)` in int64.
        """
        x = self.dropout(self.source_vectors(sources) * self.scale)
        y, _ = self.encoder(x, lengths=lengths)
        half = y.shape[-1] // 2
        columns = torch.arange(y.shape[1], device=y.device)
        ends = torch.cat([y[lengths - 1, columns, :half], y[0, :, half:]], -1)
        values = y.transpose(0, 1)
        padding = torch.arange(len(sources), device=y.device) >= lengths[:, None]
        return Memory(values, self.key(values), padding, torch.tanh(self.summary(ends)))

    def begin(self, memory: Memory, targets: Tensor) -> Tensor:
        """Return the vectors `(T, B, H)` of the tokens before targets `(T, B)`."""
        first = torch.full_like(targets[:1], self.end)
        x = self.target_vectors(torch.cat([first, targets[:-1]])) * self.scale
        return torch.cat([x[:1] + memory.summary, x[1:]])

    def attend(self, queries: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Look up what queries ask for.

        Args:
            queries: `(B, Q, H)`.
            memory: Of B sources.

        Returns:
            The answers `(B, Q, M)`, and how much each source step counts, `(B, Q, S)`.
        """
        scores = queries @ memory.keys.transpose(1, 2) / queries.shape[-1] ** 0.5
        weights = scores.masked_fill(memory.padding[:, None], -torch.inf).softmax(-1)
        return weights @ memory.values, weights

    def decode(self, x: Tensor, memory: Memory, state: Any = None) -> tuple[Tensor, Tensor, Any]:
        """Run the decoder on.

        Args:
            x: Vectors of tokens, `(T, B·K, H)`, K rows for each source.
            memory: Of B sources.
            state: What the last call returned; None begins.

        Returns:
            What the head reads, `(T, B·K, H)`; how much each source step counts, `(B, K·T, S)`
            with T innermost; and the state.
        """
        T, rows, _ = x.shape
        B = len(memory.keys)
        below, above = (None, None) if state is None else state
        asked, below = self.asker(self.dropout(x), below)
        queries = asked.transpose(0, 1).reshape(B, -1, asked.shape[-1])
        found, weights = self.attend(queries, memory)
        answers = found.reshape(rows, T, -1).transpose(0, 1)
        joined = self.dropout(torch.tanh(self.answer(torch.cat([asked, answers], -1))))
        y, above = self.decoder(joined, above)
        out = torch.tanh(self.output(torch.cat([self.dropout(y), joined], -1)))
        return self.dropout(out), weights, (below, above)

    def head(self, features: Tensor) -> Tensor:
        """Return the logits `(..., W)` of features `(..., H)`."""
        return functional.linear(features, self.target_vectors.weight, self.bias)

    def loss(
        self,
        sources: Tensor,
        source_lengths: Tensor,
        targets: Tensor,
        target_lengths: Tensor,
        smoothing: float = 0.0,
        reduction: str = "mean",
    ) -> Tensor:
        """Measure how surprising targets are, each token after the true ones before it.

        Args:
            sources: Tokens, `(S, B)`.
            source_lengths: `(B,)`.
            targets: Tokens, `(T, B)`.
            target_lengths: `(B,)`.
            smoothing: The share of the truth that is spread over all tokens (Szegedy et al. 2016).
            reduction: `"mean"` or `"sum"` over the target tokens.

        Returns:
            The cross entropy in nats.
        """
        memory = self.encode(sources, source_lengths)
        features, _, _ = self.decode(self.begin(memory, targets), memory)
        real = torch.arange(len(targets), device=targets.device)[:, None] < target_lengths
        return functional.cross_entropy(  # nothing is computed behind the ends
            self.head(features[real]), targets[real], reduction=reduction, label_smoothing=smoothing
        )

    def step(self, tokens: Tensor, memory: Memory, state: Any) -> tuple[Tensor, Any]:
        """Read one more token of each row.

        Args:
            tokens: `(B·K,)`, K rows for each source.
            memory: Of B sources.
            state: What the last call returned; None before the first token.

        Returns:
            The logarithms of the next token's probabilities, `(B·K, W)`, and the state.
        """
        x = self.target_vectors(tokens)[None] * self.scale
        if state is None:
            x = x + memory.summary.repeat_interleave(len(tokens) // len(memory.keys), 0)
        features, _, state = self.decode(x, memory, state)
        return self.head(features[0]).log_softmax(-1), state


def select_rows(state: Any, rows: Tensor) -> Any:
    """Return the state of some rows of a batch, in the order asked for."""
    return pytree.tree_map(lambda part: part.index_select(-2, rows), state)
