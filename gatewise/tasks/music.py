"""Music: which of K keys, 88 on a piano, are held at each step, from all steps before.

As Boulanger-Lewandowski, Bengio & Vincent (2012, arXiv:1206.6392) set it: the loss of a step is the
sum over the keys of their surprise. With `chords`, the keys of a step know of each other.
"""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gatewise.equations import Cell
from gatewise.tasks.language import embedding_size, recurrent_layers


class Pieces(NamedTuple):
    """Pieces of music side by side.

    Attributes:
        before: The keys held a step before each, `(T, B, K)` float32; zeros before the first.
        keys: The keys held, `(T, B, K)` float32; anything past the end.
        lengths: `(B,)` int64.
    """

    before: Tensor
    keys: Tensor
    lengths: Tensor

    @property
    def alive(self) -> Tensor:
        """Whether a step is one of its piece, `(T, B)`."""
        steps = torch.arange(len(self.keys), device=self.lengths.device)
        return steps[:, None] < self.lengths


class KeyOutput(nn.Module):
    """From hidden states to the keys of a step.

    Without `chords` each key is held or not by itself, given the past. With it, each key is told
    also which keys below it are held in the same step, by one weight for each pair: a logistic
    autoregression (Frey 1998; the output of a fully visible sigmoid belief network).

    Args:
        size: Of the hidden state, H.
        keys: How many there are, K.
        chords: Whether keys of a step know of each other.
    """

    def __init__(self, size: int, keys: int, chords: bool):
        super().__init__()
        self.head, self.keys, self.chords = nn.Linear(size, keys), keys, chords
        if chords:
            self.pairs = nn.Parameter(torch.zeros(keys * (keys - 1) // 2))

    def below(self) -> Tensor:
        """Return the weights of pairs, `(K, K)`: what key j adds to the logit of key k > j."""
        weights = self.pairs.new_zeros(self.keys, self.keys)
        row, column = torch.tril_indices(self.keys, self.keys, -1, device=weights.device)
        return weights.index_put((row, column), self.pairs)

    def forward(self, hidden: Tensor, keys: Tensor) -> Tensor:
        """Return the logits of the keys `(T, B, K)`, given what is really held.

        Args:
            hidden: `(T, B, H)`.
            keys: `(T, B, K)`.
        """
        logits = self.head(hidden)
        return logits + keys @ self.below().T if self.chords else logits

    @torch.no_grad()
    def expect_always(self, shares: Tensor) -> None:
        """Begin with keys that are held as often as given, `(K,)`, whatever came before."""
        self.head.weight *= 0.1
        self.head.bias.copy_(torch.logit(shares))

    def expect(self, hidden: Tensor) -> Tensor:
        """Return the logits `(B, K)` of each key if those below it are held as likely as they are.

        Args:
            hidden: `(B, H)`.
        """
        return self.climb(hidden, lambda logit, _: torch.sigmoid(logit))[0]

    def draw(self, hidden: Tensor, noise: Tensor, temperature: float) -> Tensor:
        """Return the keys that uniform noise picks, `(B, K)`; from the lowest to the highest.

        Args:
            hidden: `(B, H)`.
            noise: `(B, K)`, from 0 to 1.
            temperature: Divides the logits; 0 takes the likelier of each key's two.
        """
        return self.climb(hidden, lambda logit, k: pick(logit, noise[:, k], temperature))[1]

    @torch.no_grad()
    def climb(self, hidden: Tensor, hold: Callable[[Tensor, int], Tensor]) -> tuple[Tensor, Tensor]:
        """Decide on one key after the other, from the lowest.

        Args:
            hidden: `(B, H)`.
            hold: From the logits `(B,)` of a key, and which it is, how far it is held.

        Returns:
            Logits and keys, `(B, K)` each, without a gradient.
        """
        logits = self.head(hidden)
        weights = self.below() if self.chords else logits.new_zeros(self.keys, self.keys)
        keys = torch.zeros_like(logits)
        for k in range(self.keys):
            logits[:, k] += keys @ weights[k]
            keys[:, k] = hold(logits[:, k], k)
        return logits, keys


def pick(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """Return 1 where noise lies below the probability, else 0."""
    if temperature == 0:
        return (logits > 0).to(logits)
    return (noise < torch.sigmoid(logits / temperature)).to(logits)


class MusicNetwork(nn.Module):
    """Recurrent layers that read the keys of a step, and say which are held in the next.

    Args:
        cell: A cell of the catalogue by its name, or a cell of one's own.
        keys: How many there are, K.
        hidden: Hidden size, H.
        layers: Number of recurrent layers.
        chords: Whether the keys of a step know of each other; see `KeyOutput`.
        dropout: Probability of dropping a value, between layers and before the output.
        options: Further ones of the layer, such as `recurrent_dropout`.

    Raises:
        ValueError: The cell reads more than one input.

    Example:
        >>> network = MusicNetwork(hidden=8)
        >>> network.compose(5, torch.rand(5, 88)).shape
        torch.Size([5, 88])
    """

    def __init__(
        self,
        cell: str | Cell = "lstm",
        keys: int = 88,
        hidden: int = 200,
        layers: int = 1,
        chords: bool = True,
        dropout: float = 0.0,
        options: Mapping[str, Any] | None = None,
    ):
        super().__init__()
        size = embedding_size(cell, hidden, keys)
        self.input = nn.Identity() if size == keys else nn.Linear(keys, size)
        self.recurrent = recurrent_layers(cell, size, hidden, layers, dropout, **(options or {}))
        self.dropout = nn.Dropout(dropout)
        self.output = KeyOutput(int(getattr(self.recurrent, "output_size", hidden)), keys, chords)

    def surprise(self, pieces: Pieces) -> Tensor:
        """Return how surprising each step is, in nats summed over the keys: `(T, B)`.

        Steps past the end have 0.
        """
        hidden, _ = self.recurrent(self.input(pieces.before))
        logits = self.output(self.dropout(hidden), pieces.keys)
        each = functional.binary_cross_entropy_with_logits(logits, pieces.keys, reduction="none")
        return torch.where(pieces.alive, each.sum(-1), 0.0)

    @torch.no_grad()
    def compose(
        self, steps: int, noise: Tensor, temperature: float = 1.0, begin: Tensor | None = None
    ) -> Tensor:
        """Return new music `(T, K)`, a function of its noise.

        Args:
            steps: T, at least 1.
            noise: `(T, K)`, uniform from 0 to 1.
            temperature: Below 1 the likely becomes likelier; 0 always takes it.
            begin: What comes before, `(S, K)`; None begins a piece.
        """
        last = torch.zeros(1, self.output.keys)
        before = last if begin is None else torch.cat([last, begin])
        hidden, state = self.recurrent(self.input(before[:, None]))
        made = []
        for step in range(steps):
            last = self.output.draw(hidden[-1], noise[step, None], temperature)
            made.append(last[0])
            hidden, state = self.recurrent(self.input(last[None]), state)
        return torch.stack(made)
