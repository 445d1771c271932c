"""A cell's diagram as SVG, drawn from its graph alone.

States enter left and leave right, inputs come from below, and what a step carries on unit by unit
runs along the top. A filled box is an activation with the weights inside it; a line that enters it
from below is multiplied by them, one that enters from the side is added as it is.
"""

from __future__ import annotations

from gatewise.equations.drawing.blocks import Block, Blocks, blocks_of
from gatewise.equations.drawing.picture import Picture
from gatewise.equations.drawing.placement import NORTH, Placement, Port, place
from gatewise.equations.drawing.routing import Connection, Net, NoWayError, route
from gatewise.equations.graph import Graph

SPACINGS = (1.0, 1.25, 1.5, 2.0, 3.0, 4.0)


def to_svg(graph: Graph) -> str:
    """The picture of a cell: a whole SVG document, legible on light and dark pages."""
    blocks, placement, nets = lay_out(graph)
    return Picture(graph, blocks, placement, nets).svg()


def lay_out(graph: Graph) -> tuple[Blocks, Placement, list[Net]]:
    """The blocks of a cell, their places, and the wires between them."""
    blocks = blocks_of(graph)
    output = _output(graph, blocks)
    for spacing in SPACINGS:
        placement = place(blocks, output, spacing)
        try:
            return blocks, placement, route(placement, _connections(blocks, placement, output))
        except NoWayError:
            continue
    raise RuntimeError(f"the diagram of cell {graph.name!r} found no way for its wires")


def _output(graph: Graph, blocks: Blocks) -> Block | None:
    """What leaves upwards as the output besides being a state."""
    for state, value in graph.new_states.items():
        if value is graph.output:
            return blocks.sinks[state].entries[0].block
    return None


def _connections(blocks: Blocks, placement: Placement, output: Block | None) -> list[Connection]:
    found = [
        Connection(entry.block, block, placement.entries(block, entry.weighted), entry.mark)
        for block in blocks.order
        for entry in block.entries
    ]
    if output is not None and placement.output is not None:
        sink = Block("sink", "output")
        found.append(Connection(output, sink, [Port(placement.output, NORTH)]))
    return found
