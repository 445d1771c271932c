"""Generating: sequences drawn from random inputs, by a network that learned from real ones.

At every step the network turns what it has said so far into a distribution of the next value, and a
random input picks the value from it; so a sequence is a function of its random inputs alone. It is
trained by maximum likelihood, as Graves (2013, arXiv:1308.0850, sections 2 and 4.1) does.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from gatewise.equations import Cell
from gatewise.tasks.language import recurrent_layers

END = 0
"""The symbol after the last of a sequence."""
UNCOUNTED = -100
NARROWEST, WIDEST = -6.0, 3.0  # logarithms of a component's scale, in units of the data's spread


class Sequences(NamedTuple):
    """Sequences side by side.

    Attributes:
        values: Symbols from 1 on, `(T, B)` int64, or numbers `(T, B, C)` float32; anything past the
            end of a sequence.
        lengths: Steps of each, `(B,)` int64.
    """

    values: Tensor
    lengths: Tensor

    @property
    def alive(self) -> Tensor:
        """Which steps belong to a sequence, `(T, B)`."""
        return torch.arange(len(self.values), device=self.lengths.device)[:, None] < self.lengths


class SymbolOutput(nn.Module):
    """A distribution over the symbols and the end.

    Args:
        size: Of the recurrent layers' output.
        symbols: How many there are, V, the end counted.
    """

    noise_size = 1

    def __init__(self, size: int, symbols: int):
        super().__init__()
        self.head = nn.Linear(size, symbols)

    def surprise(self, hidden: Tensor, last: Tensor, sequences: Sequences) -> Tensor:
        """Return what each step is surprising by, `(T + 1, B)` in nats; zeros past the end.

        Args:
            hidden: The recurrent layers' output, `(T + 1, B, H)`.
            last: The value before each step.
            sequences: What came.
        """
        symbols = sequences.values.masked_fill(~sequences.alive, UNCOUNTED)
        B = symbols.shape[1]
        target = torch.cat([symbols, symbols.new_full((1, B), UNCOUNTED)])
        target[sequences.lengths, torch.arange(B, device=target.device)] = END
        logits = self.head(hidden).movedim(-1, 1)
        return functional.cross_entropy(logits, target, reduction="none", ignore_index=UNCOUNTED)

    def pick(self, hidden: Tensor, last: Tensor, noise: Tensor) -> Tensor:
        """Return the symbols `(B,)` that uniform noise `(B, 1)` picks: the inverse of the sums."""
        sums = self.head(hidden).double().softmax(-1).cumsum(-1)
        # the last sum may round to less than 1
        return torch.searchsorted(sums, noise.double(), right=True)[:, 0].clamp(
            max=sums.shape[1] - 1
        )


class NumberOutput(nn.Module):
    """A mixture of Gaussians around the last value (Bishop 1994; Graves 2013, eq. 16 to 22).

    Args:
        size: Of the recurrent layers' output.
        channels: C.
        components: Gaussians, K, each with a mean and a scale for every channel.
    """

    def __init__(self, size: int, channels: int, components: int):
        super().__init__()
        self.head = nn.Linear(size, components * (1 + 2 * channels))
        self.channels, self.components = channels, components
        self.noise_size = 1 + channels

    def mixture(self, hidden: Tensor, last: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return logits `(..., K)`, means and logarithms of scales `(..., K, C)`."""
        K, C = self.components, self.channels
        logits, means, scales = self.head(hidden).split([K, K * C, K * C], -1)
        means = means.unflatten(-1, (K, C)) + last[..., None, :]
        return logits, means, scales.unflatten(-1, (K, C)).clamp(NARROWEST, WIDEST)

    def surprise(self, hidden: Tensor, last: Tensor, sequences: Sequences) -> Tensor:
        """See `SymbolOutput.surprise`: `(T, B)`, of all channels together."""
        logits, means, scales = self.mixture(hidden[:-1], last[:-1])
        values = sequences.values[..., None, :]
        squares = ((values - means) * torch.exp(-scales)).square()
        each = -(squares / 2 + scales + math.log(2 * math.pi) / 2).sum(-1)
        likely = torch.logsumexp(functional.log_softmax(logits, -1) + each, -1)
        return torch.where(sequences.alive, -likely, 0.0)

    def pick(self, hidden: Tensor, last: Tensor, noise: Tensor) -> Tensor:
        """Return the numbers `(B, C)` that noise `(B, 1 + C)`, one uniform and C normal, picks."""
        logits, means, scales = self.mixture(hidden, last)
        sums = logits.double().softmax(-1).cumsum(-1)
        chosen = torch.searchsorted(sums, noise[:, :1].double(), right=True)
        chosen = chosen.clamp(max=self.components - 1)[..., None].expand(-1, -1, self.channels)
        mean, scale = (each.gather(1, chosen)[:, 0] for each in (means, scales))
        return mean + torch.exp(scale) * noise[:, 1:]


class SequenceGenerator(nn.Module):
    """Recurrent layers that read the last value, and a distribution of the next.

    Args:
        symbols: How many symbols there are, V, the end counted; None is numbers.
        channels: C, of numbers.
        cell: A cell of the catalogue by its name, or a cell of one's own.
        hidden: Hidden size, H.
        layers: Number of recurrent layers.
        components: Gaussians in the mixture for numbers.

    Raises:
        ValueError: The cell reads more than one input.

    Example:
        >>> generator = SequenceGenerator(symbols=5, hidden=8)
        >>> noise = generator.draw_noise(7, 3, torch.Generator().manual_seed(0))
        >>> noise.shape, generator.generate(noise).values.shape
        (torch.Size([7, 3, 1]), torch.Size([7, 3]))
    """

    def __init__(
        self,
        symbols: int | None = None,
        channels: int = 1,
        cell: str | Cell = "gru",
        hidden: int = 96,
        layers: int = 1,
        components: int = 5,
    ):
        super().__init__()
        self.symbols, self.channels = symbols, channels
        self.input = (
            nn.Linear(channels, hidden) if symbols is None else nn.Embedding(symbols, hidden)
        )
        self.recurrent = recurrent_layers(cell, hidden, hidden, layers)
        size = int(getattr(self.recurrent, "output_size", hidden))
        self.output = (
            NumberOutput(size, channels, components)
            if symbols is None
            else SymbolOutput(size, symbols)
        )

    def surprise(self, sequences: Sequences) -> tuple[Tensor, Tensor]:
        """Measure how surprising sequences are.

        Returns:
            The sum in nats, and over how many values: symbols and ends, or numbers.
        """
        first = self.first(sequences.values.shape[1])
        last = torch.cat([first[None], sequences.values])
        if self.symbols is not None:
            last = last.clamp(0, self.symbols - 1)  # whatever stands past the end
        hidden, _ = self.recurrent(self.input(last))
        total = self.output.surprise(hidden, last, sequences).sum()
        steps = sequences.lengths.sum()
        ends = len(sequences.lengths)
        return total, steps * self.channels if self.symbols is None else steps + ends

    def first(self, B: int) -> Tensor:
        """Return what stands before a sequence: the end of another, or zeros."""
        weight = next(self.parameters())
        if self.symbols is not None:
            return torch.full((B,), END, device=weight.device)
        return torch.zeros(B, self.channels, device=weight.device)

    def draw_noise(self, T: int, B: int, source: torch.Generator) -> Tensor:
        """Return random inputs `(T, B, 1)` for symbols, `(T, B, 1 + C)` for numbers.

        The first of a step is uniform in 0 to 1, the others are normal.
        """
        noise = torch.randn(T, B, self.output.noise_size, generator=source)
        noise[..., 0] = torch.rand(T, B, generator=source)
        return noise

    @torch.no_grad()
    def generate(self, noise: Tensor) -> Sequences:
        """Return the sequences of random inputs: T steps, or up to the end symbol.

        Args:
            noise: As `draw_noise` makes it.
        """
        last, state, said = self.first(noise.shape[1]), None, []
        for step in noise:
            hidden, state = self.recurrent(self.input(last)[None], state)
            last = self.output.pick(hidden[0], last, step)
            said.append(last)
        values = torch.stack(said)
        lengths = torch.full((noise.shape[1],), len(values))
        if self.symbols is not None:
            ended = (values == END).cumsum(0) > 0
            lengths = (~ended).sum(0)
        return Sequences(values, lengths)
