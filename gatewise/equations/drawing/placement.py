"""Where the blocks of a diagram stand, on a grid of which one unit is the gap between two wires.

A state that is carried on by × and + runs straight along the top, as in the figures of articles.
Layers with weights stand in the lowest row, in the order in which they are needed. What is computed
from them is stacked above the last of its operands; what needs the line's result hangs below it.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from gatewise.equations.drawing.blocks import Block, Blocks, carried_lines

Point = tuple[int, int]
EAST, SOUTH, WEST, NORTH = (1, 0), (0, 1), (-1, 0), (0, -1)
LEFT_MARGIN = 8


@dataclass(frozen=True)
class Port:
    """Where a wire meets a block: the grid point outside it, and the way the wire runs there."""

    point: Point
    direction: Point
    cost: int = 0


@dataclass
class Placement:
    """A diagram's blocks on the grid.

    Attributes:
        position: the middle of each block.
        half_width: how far each block reaches to its sides, in units.
        lines: the blocks of each carried state's line, from its source to its sink.
        width: units of the frame, from 0.
        top: the frame's upper edge.
        bottom: the frame's lower edge.
        output: where the output leaves upwards; None where a sink of its own shows it.
        flowing: layers above the lowest row, which a wire may enter from any side.
    """

    position: dict[Block, Point]
    half_width: dict[Block, int]
    lines: list[list[Block]]
    width: int = 0
    top: int = 0
    bottom: int = 0
    output: Point | None = None
    flowing: set[Block] = field(default_factory=set)
    _in_line: dict[Block, int] = field(default_factory=dict)

    def half_height(self, block: Block) -> int:
        """How far a block reaches up and down, in units; wires keep outside."""
        return 0 if block.kind in ("join", "source", "sink") else 1

    def corners(self, block: Block) -> tuple[int, int, int, int]:
        """Left, top, right and bottom of what no wire may cross, in units."""
        x, y = self.position[block]
        w, h = self.half_width[block], self.half_height(block)
        return x - w, y - h, x + w, y + h

    def exits(self, block: Block) -> list[Port]:
        """Where a wire can leave a block."""
        x, y = self.position[block]
        if block.kind == "source":
            return [Port((x, y), EAST if x == 0 else NORTH)]
        w, h = self.half_width[block] + 1, self.half_height(block) + 1
        east = Port((x + w, y), EAST)
        if block.kind == "join":
            return [east]
        ports = [east, Port((x, y - h), NORTH)]
        if not block.is_layer or block in self.flowing:
            ports.append(Port((x, y + h), SOUTH, 2))
        return ports

    def entries(self, block: Block, weighted: bool) -> list[Port]:
        """Where a wire can enter a block: layers take what they weigh from below."""
        x, y = self.position[block]
        if block.kind == "sink":
            return [Port((x, y), EAST if x == self.width else NORTH)]
        w, h = self.half_width[block] + 1, self.half_height(block) + 1
        west, east = Port((x - w, y), EAST), Port((x + w, y), WEST, 6)
        south, north = Port((x, y + h), NORTH), Port((x, y - h), SOUTH, 1)
        if block.kind == "join":
            return [west, south, north]
        if block.is_layer and not weighted:
            return [west, east]
        if block in self.flowing:
            return [west, south, north]
        count = sum(1 for entry in block.entries if entry.weighted)
        if block.is_layer or len(block.entries) > 2:
            count = count or len(block.entries)
            below = [Port((x + k, y + h), NORTH) for k in _spread(count)]
            return below
        return [west, south, north, east]

    def straight(self, source: Block, target: Block) -> bool:
        """Whether a wire is a piece of a carried state's line."""
        line = self._in_line
        if source in line and target in line and line[source] == line[target]:
            blocks = self.lines[line[source]]
            return blocks.index(target) == blocks.index(source) + 1
        return False


def _spread(count: int) -> list[int]:
    """Places for so many wires under a block, symmetric to its middle."""
    if count % 2:
        return list(range(-(count // 2), count // 2 + 1))
    return [k for k in range(-(count // 2), count // 2 + 1) if k]


def place(blocks: Blocks, output: Block | None, spacing: float = 1.0) -> Placement:
    """Find a place for every block.

    Args:
        blocks: what is to be drawn.
        output: the block whose value leaves upwards as the cell's output too.
        spacing: how much wider the gaps are than usual; more where wires found no way.
    """
    return _Placer(blocks, spacing).place(output)


class _Placer:
    def __init__(self, blocks: Blocks, spacing: float):
        self.blocks, self.spacing = blocks, spacing
        self.lines = carried_lines(blocks)
        self.in_line = {block: k for k, line in enumerate(self.lines) for block in line}
        self.inner = [
            block for block in blocks.order if block.kind not in ("source", "sink", "join")
        ]
        self.layers_below = self._layers_below()
        self.late = self._late()
        self.column: dict[Block, int] = {}
        self.row: dict[Block, int] = {}
        self.taken: set[tuple[int, int]] = set()

    def place(self, output: Block | None) -> Placement:
        """Rows and columns first, then units."""
        order = self._visiting_order()
        height = self._heights(order)
        self.first_line_row = max([*(h + 1 for h in height.values()), self._hanging() + 1])
        for block in order:
            self._place_block(block, height)
        return self._to_units(output)

    def _layers_below(self) -> dict[Block, int]:
        """How many layers, one after the other, a value needs."""
        found: dict[Block, int] = {}
        for block in self.blocks.order:
            deepest = max((found[entry.block] for entry in block.entries), default=0)
            found[block] = deepest + block.is_layer
        return found

    def _late(self) -> set[Block]:
        """What is computed, without further layers, from a line's result and leads to no line."""
        leads = set(self.in_line)
        for block in reversed(self.blocks.order):
            if block in leads:
                leads.update(entry.block for entry in block.entries)
        late: set[Block] = set()
        for block in self.inner:
            above = any(e.block in late or self._is_on_line(e.block) for e in block.entries)
            if above and block not in leads and not self._from_below(block):
                late.add(block)
        return late

    def _is_on_line(self, block: Block) -> bool:
        return block in self.in_line and block.kind != "source"

    @staticmethod
    def _from_below(block: Block) -> bool:
        """Whether it stands in the lowest row, to be entered from below."""
        weighted = [entry.block for entry in block.entries if entry.weighted]
        flows = len(weighted) == 1 and len(block.entries) == 1 and block.label not in ACTIVATED
        return block.is_layer and not (flows and weighted[0].kind in ("operator", "function"))

    def _visiting_order(self) -> list[Block]:
        """Every block after those it needs; earlier layers first, lines before the rest."""
        stage = {block: max(0, self.layers_below[block] - 1) for block in self.inner}
        leads: dict[Block, int] = {}
        for block in reversed(self.inner):
            for entry in block.entries:
                deepest = max(leads.get(block, 0), stage[block] if block.is_layer else 0)
                leads[entry.block] = max(leads.get(entry.block, 0), deepest)
        on_line = [block for line in self.lines for block in line if block in stage]
        roots = [*reversed(on_line), *self.inner]
        order: dict[Block, None] = {}

        def visit(block: Block, level: int) -> None:
            if block not in stage or block in order:
                return
            for entry in sorted(block.entries, key=lambda e: e.block not in self.in_line):
                visit(entry.block, level)
            order[block] = None

        for level in range(max(stage.values(), default=0) + 1):
            for needed_later in (True, False):
                for block in roots:
                    if stage[block] <= level and needed_later <= (leads.get(block, 0) > level):
                        visit(block, level)
        return list(order)

    def _heights(self, order: list[Block]) -> dict[Block, int]:
        """The row of what stands between the lowest row and the lines."""
        height: dict[Block, int] = {}
        for block in order:
            if block in self.in_line or block in self.late:
                continue
            below = [height[e.block] for e in block.entries if e.block in height]
            height[block] = 0 if self._from_below(block) else max(below, default=0) + 1
        return height

    def _hanging(self) -> int:
        """How many rows the longest chain below the lines asks for."""
        chain: dict[Block, int] = {}
        for block in self.inner:
            if block in self.late:
                chain[block] = 1 + max((chain.get(e.block, 0) for e in block.entries), default=0)
        return min(4, max(chain.values(), default=0) if self.lines else 0)

    def _place_block(self, block: Block, height: dict[Block, int]) -> None:
        operands = [e.block for e in block.entries if e.block in self.column]
        if block in height:
            row = height[block]
            below = [k for k in operands if self.row[k] < row and k not in self.late]
        elif block in self.in_line:
            row = self.first_line_row + len(self.lines) - 1 - self.in_line[block]
            below = [k for k in operands if k not in self.in_line]
        else:
            hanging = [k for k in operands if k in self.late or k in self.in_line]
            row = max(1, min(self.first_line_row, *(self.row[k] for k in hanging)) - 1)
            below = [k for k in hanging if k in self.late]
        column = self._column_above(block, row, below)
        self.column[block], self.row[block] = column, row
        self.taken.add((column, row))

    def _column_above(self, block: Block, row: int, operands: list[Block]) -> int:
        """The column of the last operand where the way up from it is free, else a new one."""
        new = max(self.column.values(), default=-1) + 1
        if not operands or (block in self.in_line and not self._is_next(block, operands)):
            return new
        last = max(operands, key=self.column.__getitem__)
        column = self.column[last]
        low, high = sorted((self.row[last], row))
        between = {(column, k) for k in range(low, high + 1)} - {(column, self.row[last])}
        if self.taken & between or self.row[last] == row:
            return new
        self.taken |= between
        return column

    def _is_next(self, block: Block, operands: list[Block]) -> bool:
        """Whether a block of a line would stand right of all that come before it there."""
        line = self.lines[self.in_line[block]]
        before = [self.column[k] for k in line if k in self.column]
        return max(self.column[k] for k in operands) > max(before, default=-1)

    def _to_units(self, output: Block | None) -> Placement:
        placement = Placement({}, {}, self.lines)
        placement._in_line = self.in_line
        placement.flowing = {b for b in self.inner if b.is_layer and not self._from_below(b)}
        for block in self.blocks.order:
            placement.half_width[block] = half_width(block)
        pitch = round(6 * self.spacing)
        for block in self.inner:
            placement.position[block] = (0, -pitch * self.row[block])
        below = self._place_sources(placement, pitch)
        x = self._place_columns(
            placement, LEFT_MARGIN + self._between_inputs() * (self._inputs() - 1)
        )
        placement.bottom = below
        placement.top = -pitch * max(self.row.values(), default=0) - 4
        placement.width = x + (4 if output else 1)
        self._place_sinks(placement, output)
        return placement

    def _inputs(self) -> int:
        return max(1, sum(1 for b in self.blocks.order if b.kind == "source" and not b.state))

    def _between_inputs(self) -> int:
        """Units from one input to the next, so that their names fit."""
        names = [b.label for b in self.blocks.order if b.kind == "source" and not b.state]
        return max(4, 2 + max((len(name) for name in names), default=1))

    def _place_columns(self, placement: Placement, left: int) -> int:
        gap = round(4 * self.spacing)
        by_column: dict[int, list[Block]] = {}
        for block, column in self.column.items():
            by_column.setdefault(column, []).append(block)
        x = left
        for column in sorted(by_column):
            half = max(placement.half_width[block] for block in by_column[column])
            for block in by_column[column]:
                placement.position[block] = (x + half, placement.position[block][1])
            x += 2 * half + gap
        return x

    def _place_sources(self, placement: Placement, pitch: int) -> int:
        """States left, inputs below; returns the frame's lower edge."""
        into_layers = {
            entry.block for block in self.inner if block.is_layer for entry in block.entries
        }
        join_track = track = 3 + round(self.spacing * min(len(into_layers), 8))
        inputs = 0
        joins = [block for block in self.blocks.order if block.kind == "join"]
        first = [entry.block for join in joins for entry in join.entries if entry.block.state]
        sources = [block for block in self.blocks.order if block.kind == "source"]
        for block in sorted(sources, key=lambda block: block in first):
            if block in first:
                join_track = track
            if block in self.in_line:
                row = self.first_line_row + len(self.lines) - 1 - self.in_line[block]
                placement.position[block] = (0, -pitch * row)
            elif block.state:
                placement.position[block] = (0, track)
                track += 3
        for join in joins:
            placement.position[join] = (4, join_track)
        bottom = max(track + 2, join_track + 4)
        for block in sources:
            if not block.state:
                placement.position[block] = (4 + self._between_inputs() * inputs, bottom)
                inputs += 1
        return bottom

    def _place_sinks(self, placement: Placement, output: Block | None) -> None:
        """A state leaves at the height at which it enters, or at which its next value does."""
        sources = {b.state: b for b in self.blocks.order if b.kind == "source" and b.state}
        heights: dict[Block, int] = {}
        for sink in self.blocks.sinks.values():
            from_ = sink.entries[0].block
            height = placement.position[from_][1]
            handed_on = from_.kind == "source" and from_.state and from_ not in self.in_line
            if handed_on and height not in heights.values():
                heights[sink] = height
        free = [placement.position[block][1] for block in sources.values()]
        free += range(placement.bottom - 2, placement.top, -3)
        for state, sink in self.blocks.sinks.items():
            if not state:
                placement.position[sink] = (placement.width - 3, placement.top)
                continue
            if sink not in heights:
                own = [placement.position[sources[state]][1]] if state in sources else []
                heights[sink] = next(y for y in own + free if y not in heights.values())
            placement.position[sink] = (placement.width, heights[sink])
        if output is not None:
            placement.output = (placement.width - 3, placement.top)


ACTIVATED = ("σ", "tanh", "ReLU", "exp", "softplus", "sin", "cos")


def half_width(block: Block) -> int:
    """Units that a block reaches to its sides: its label fits, and its wires below."""
    if block.kind in ("source", "sink", "join"):
        return 0
    if block.kind == "operator":
        return 1
    wires = max(1, sum(1 for entry in block.entries if entry.weighted))
    if len(block.entries) > 2:
        wires = max(wires, len(block.entries))
    letters = len(block.label.replace("_", ""))
    by_label = 1 if letters <= 2 and block.kind == "function" else 2 if letters <= 4 else 3
    if letters > 7:
        by_label = 4 if letters <= 9 else 5
    return max(by_label, wires // 2 + 1)
