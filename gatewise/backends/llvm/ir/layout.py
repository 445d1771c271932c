"""Where things are: buffers, constants and packed weights of a kernel, and its register tiles."""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewise.backends.llvm.element import Element
from gatewise.backends.llvm.plan.part import Buffer, Group, Sweep
from gatewise.backends.llvm.target import Target
from gatewise.equations.expression import Expression

TILE_ROWS, TILE_DEPTH = 16, 32
"""A matrix tile of the processor: rows of one bfloat16 factor, and numbers that it multiplies."""

FAR_BYTES = 1 << 20
"""More weights than these are read from a second-level cache or from farther away."""


def whole_blocks(count: int) -> int:
    """Numbers of a rounded vector, up to whole tiles."""
    return -(-count // TILE_DEPTH) * TILE_DEPTH


@dataclass(frozen=True)
class Packed:
    """One matrix inside a group of packed weights.

    The group's layout is ``[panel group][k][factor][panel][lane]``; lanes past the matrix's rows
    are zero. Where products round to bfloat16, two k stand side by side in each lane.

    Attributes:
        matrix: the expression whose values are packed.
        offset: where its group starts, in elements.
        factor: its index among `factors`.
        factors: matrices in the group.
        panels: panels per panel group.
        groups: panel groups.
        rows: rows of the matrix, the units of the result.
        columns: columns, the units of the vector.
        depth: how many k a panel group has room for.
    """

    matrix: Expression
    offset: int
    factor: int
    factors: int
    panels: int
    groups: int
    rows: int
    columns: int
    depth: int


@dataclass
class Layout:
    """What all functions of a kernel share: where buffers, constants and packed weights are.

    Attributes:
        element: element type.
        target: the processor.
        buffers: by name.
        frame: index of each buffer's address in the frame, the array of words that every function
            is given.
        constants: place of each vector of weights, and whether it is one number.
        packed: every packed matrix.
        products: what the factors of products are rounded to; empty for not at all.
        rounded_elements: room that a thread needs for rounded vectors.
    """

    element: Element
    target: Target
    products: str = ""
    buffers: dict[str, Buffer] = field(default_factory=dict)
    frame: dict[str, int] = field(default_factory=dict)
    constants: dict[Expression, tuple[int, bool]] = field(default_factory=dict)
    constant_elements: int = 0
    packed: list[Packed] = field(default_factory=list)
    packed_elements: int = 0
    rounded_elements: int = 0

    @property
    def rounds(self) -> bool:
        """Whether products are of rounded numbers."""
        return bool(self.products)

    def depth(self, count: int) -> int:
        """How many k a packed panel has room for: pairs of rounded ones fill whole tiles."""
        return max(count, TILE_DEPTH // 2) if self.rounds else count

    def add(self, buffer: Buffer) -> None:
        """Make a buffer known."""
        self.buffers[buffer.name] = buffer
        self.word(buffer.name)

    def word(self, name: str) -> int:
        """The index of a name in the frame."""
        return self.frame.setdefault(name, len(self.frame))

    def constant(self, node: Expression, units: int) -> tuple[int, bool]:
        """The place of a vector of weights."""
        if node not in self.constants:
            self.constants[node] = (self.constant_elements, units == 1)
            self.constant_elements += self.element.padded(units)
        return self.constants[node]

    def pack(
        self, group: list[Expression], rows: int, columns: int, panels: int, groups: int
    ) -> int:
        """Reserve packed weights for matrices that share a vector; returns the offset."""
        offset, count = self.packed_elements, len(group)
        depth = self.depth(columns)
        for k, matrix in enumerate(group):
            self.packed.append(
                Packed(matrix, offset, k, count, panels, groups, rows, columns, depth)
            )
        self.packed_elements += groups * depth * count * panels * self.element.lanes
        return offset


@dataclass(frozen=True)
class TileShape:
    """Rows and columns of a register tile.

    Attributes:
        rows: greatest number of rows.
        panels: panels side by side.
        panel_groups: how many such groups there are.
        accumulators: of one panel.
        chunks: accumulators that are computed together; the others follow.
        far: whether weights are so many that they come from far.
    """

    rows: int
    panels: int
    panel_groups: int
    accumulators: int
    chunks: tuple[range, ...]
    far: bool = False

    @classmethod
    def of(cls, sweep: Sweep, layout: Layout) -> TileShape:
        """The shape that fits the registers."""
        target = layout.target
        total = -(-sweep.units // layout.element.lanes)
        count = len(sweep.accumulators)
        if not count:
            return cls(64, 1, total, 0, ())
        columns = sum(group.depth * len(group.factors) for group in sweep.groups)
        far = columns * sweep.units * layout.element.bytes > FAR_BYTES
        width = _width(count, far, target.vectors_per_row)
        parts = -(-count // width)
        size = -(-count // parts)
        chunks = tuple(range(start, min(start + size, count)) for start in range(0, count, size))
        widest = max(1, min(width // size, total))
        # fewest panels computed for nothing, then the widest tile
        panels = min(range(1, widest + 1), key=lambda p: (-(-total // p) * p / min(p + 1, 3), -p))
        rows = TILE_ROWS if layout.rounds else target.tile_rows(size * panels)
        return cls(rows, panels, -(-total // panels), count, chunks, far)


def _width(count: int, far: bool, widest: int) -> int:
    """Accumulators of one row of a tile: fewer where weights come from far.

    A narrow tile has more rows, for which a weight is read once. It pays for the gates of a cell
    alone: one accumulator, as backward passes have it, is as fast in wide tiles, and three would be
    two and one, which loads more than it multiplies.
    """
    return widest // 2 if far and count >= widest > 2 else widest


def reserve(
    layout: Layout, sweep: Sweep, shape: TileShape, chunk: range
) -> list[tuple[Group, list[int], int]]:
    """For each group that feeds a chunk: its accumulators, and where its weights are packed."""
    reserved = []
    for group in sweep.groups:
        factors = [f for f in group.factors if f.accumulator in chunk]
        if factors:
            matrices = [f.matrix for f in factors]
            offset = layout.pack(
                matrices, sweep.units, group.depth, shape.panels, shape.panel_groups
            )
            reserved.append((group, [f.accumulator for f in factors], offset))
    return reserved
