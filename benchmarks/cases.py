"""What is measured: cells, sizes, and how much arithmetic they are."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import gatewise as gw
from gatewise.equations.size import size_number

BUILT_IN = ("lstm", "gru", "rnn")
"""Cells that torch has operators for."""

SIZES = (
    (1, 1, 32, 32),
    (1, 1, 128, 128),
    (1, 100, 64, 64),
    (8, 200, 64, 512),
    (32, 100, 64, 64),
    (64, 50, 128, 128),
    (32, 100, 256, 256),
    (64, 100, 512, 512),
    (20, 35, 200, 200),
    (20, 35, 650, 650),
    (128, 784, 1, 128),
    (16, 1000, 40, 320),
    (7, 13, 5, 33),
)
"""(B, T, I, H) of the built-in cells."""

OTHER_SIZES = ((32, 100, 128, 128),)
"""(B, T, I, H) of the other cells."""

QUICK_SIZES = ((32, 100, 64, 64), (7, 13, 5, 33))


@dataclass(frozen=True)
class Case:
    """One cell at one size, forwards alone or with its gradient.

    Attributes:
        cell: its name.
        B: sequences.
        T: steps.
        I: input size.
        H: hidden size.
        training: whether the gradients of input and weights are computed too.
    """

    cell: str
    B: int
    T: int
    I: int
    H: int
    training: bool

    @property
    def size(self) -> tuple[int, int, int, int]:
        """(B, T, I, H)."""
        return self.B, self.T, self.I, self.H

    @property
    def operations(self) -> float:
        """Multiplications and additions of its products; a gradient is twice as many again.

        What is not a product is not counted, so the share of the peak is a lower bound.
        """
        graph = gw.cells.get(self.cell).graph
        sizes = {"I": self.I, "H": self.H}
        numbers = 0
        for parameter in graph.parameters.values():
            shape = [size_number(size, sizes) for size in parameter.shape]
            if len(shape) == 2:
                numbers += shape[0] * shape[1] // parameter.blocks
        return 2.0 * numbers * self.T * self.B * (3 if self.training else 1)

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def cases_of(cells: list[str], sizes: list[tuple[int, int, int, int]] | None) -> list[Case]:
    """Every cell at its sizes, inference and training; a cell with I = H only where they are."""
    found = []
    for cell in cells:
        own = sizes or (SIZES if cell in BUILT_IN else OTHER_SIZES)
        square = ("I", "H") in gw.cells.get(cell).graph.sizes.equal
        for size in own:
            if not square or size[2] == size[3]:
                found += [Case(cell, *size, training) for training in (False, True)]
    return found
