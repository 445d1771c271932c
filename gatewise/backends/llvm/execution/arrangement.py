"""What calls of a kernel on T steps of B sequences share: who they work for, words and memory."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from torch import Tensor

from gatewise.backends.llvm.execution.frame import Frame
from gatewise.backends.llvm.execution.sources import Places
from gatewise.backends.llvm.execution.words import Region, Words, dtype_of
from gatewise.backends.llvm.kernel import Kernel

IN_PLACE_ROWS = 4
"""Up to so many rows (steps times sequences), multiplying weights where they lie takes less time
than packing them; in training and in evaluation alike, since both are to give the same numbers."""


class Names(NamedTuple):
    """The operands of a kernel, in the order in which a call has their tensors."""

    inputs: tuple[str, ...]
    states: tuple[str, ...]
    givens: tuple[str, ...]

    @classmethod
    def of(cls, kernel: Kernel) -> Names:
        """Those of the kernel's graph."""
        graph = kernel.specification.graph
        return cls(tuple(graph.inputs), tuple(graph.states), tuple(graph.givens))


class Started(NamedTuple):
    """A call whose frame is ready for the kernel, or that the kernel has run.

    Attributes:
        frame: what it works in.
        copies: of operands; they live as long as the kernel runs.
        results: tensors that it fills, None where one is not wanted.
    """

    frame: Frame
    copies: list[Tensor]
    results: Sequence[Any]


class Arrangement:
    """What forward and backward calls of one kernel, T and B share.

    Args:
        kernel: the kernel.
        T: steps.
        B: sequences.
        team: threads.
        places: where the weights are.
        total: sequences of the tensors of which these are some; B where left out.
    """

    def __init__(
        self, kernel: Kernel, T: int, B: int, team: int, places: Places, total: int | None = None
    ):
        self.kernel, self.T, self.B, self.team, self.places = kernel, T, B, team, places
        self.total = B if total is None else total
        self.names = Names.of(kernel)
        self.by_unit = int(kernel.divides_units(T, B, team))
        self.size = kernel.element.bytes
        self.dtype = dtype_of(self.size)

    def words(self, module, block: int) -> tuple[Words, dict[str, int]]:
        """Words that are numbers, and the parts of the working memory that every call has."""
        words = Words(module.context.words)
        numbers = {"T": self.T, "B": self.B, "total": self.total, "block": block}
        numbers |= {"prepare": 1, "by_unit": self.by_unit}
        few = self.T * self.B <= IN_PLACE_ROWS and not module.layout.rounds
        numbers["in_place"] = int(few)
        for name, value in numbers.items():
            words.set(name, value)
        layout = module.layout
        return words, {
            "base.packed": layout.packed_elements,
            "base.constants": layout.constant_elements,
            "base.rounded": self.team * layout.rounded_elements,
        }

    def given_parts(self, buffers) -> dict[str, int]:
        """Padded copies of givens."""
        return {
            f"base.given.{name}": self.B * buffers[f"given.{name}"].stride
            for name in self.names.givens
            if f"given.{name}" in buffers
        }

    def kept(self, words: Words) -> Region:
        """What outlives a forward run: values for the backward run, and the states' past."""
        parts = self.kernel.kept_parts(self.T, self.total)
        return Region(words, {f"base.{name}": n for name, n in parts.items()}, self.size)
