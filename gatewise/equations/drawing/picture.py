"""A laid-out diagram as SVG: shapes, lines, labels, and colours for light and dark."""

from __future__ import annotations

import re
from collections.abc import Iterable
from html import escape

from gatewise.equations.drawing.blocks import Block, Blocks
from gatewise.equations.drawing.placement import Placement
from gatewise.equations.drawing.routing import Net
from gatewise.equations.drawing.wires import (
    CIRCLE,
    UNIT,
    Piece,
    Pixel,
    crossings,
    forks_of,
    half_size,
    pieces_of,
)
from gatewise.equations.graph import Graph
from gatewise.equations.notation import symbol_of
from gatewise.equations.plain import to_plain

STYLE = """
.gw{--page:#ffffff;--frame:#f1f4f8;--rim:#c3ccd8;--ink:#1d2733;--wire:#465364;--line:#1f5fbf;
--sigma:#ffd166;--tanh:#8fd3c8;--relu:#b7d98a;--linear:#cfc6ee;--point:#ffc2b8;--edge:#1d2733}
@media (prefers-color-scheme:dark){.gw{--page:#12161c;--frame:#1c232d;--rim:#3a4655;--ink:#e8edf3;
--wire:#a9b6c6;--line:#7db2ff;--sigma:#8a6410;--tanh:#1f6f66;--relu:#4d6f22;--linear:#5a4d93;
--point:#8c3f36;--edge:#d5dde7}}
.gw text{fill:var(--ink);font-family:Helvetica,Arial,"Liberation Sans",sans-serif;font-size:14px}
.gw .name{font-family:Georgia,"Times New Roman","Liberation Serif",serif;font-size:17px}
.gw .name .letter{font-style:italic}.gw .small{font-size:11px}.gw .page{fill:var(--page)}
.gw .frame{fill:var(--frame);stroke:var(--rim);stroke-width:1.5}
.gw .gap{fill:none;stroke:var(--frame);stroke-width:11}
.gw .wire{fill:none;stroke:var(--wire);stroke-width:2}.gw .head{fill:var(--wire)}
.gw .joined .wire{stroke-width:3.5}
.gw .carried .wire{stroke:var(--line);stroke-width:3.5}
.gw .carried .head,.gw .fork{fill:var(--line)}
.gw .box,.gw .dot{stroke:var(--edge);stroke-width:1.3}
.gw .sigma{fill:var(--sigma)}.gw .tanh{fill:var(--tanh)}.gw .relu{fill:var(--relu)}
.gw .linear{fill:var(--linear)}.gw .point{fill:var(--point)}
.gw .sign{font-size:18px;font-weight:600}
""".replace("\n", "")
COLOURS = {"σ": "sigma", "tanh": "tanh", "ReLU": "relu", "exp": "relu", "softplus": "relu"}
WIDE = "mwMW"
"""Letters that take half as much again as others."""
SUBSCRIPT = re.compile(r"_([\w,]+)")


class Picture:
    """One cell's picture."""

    def __init__(self, graph: Graph, blocks: Blocks, placement: Placement, nets: list[Net]):
        self.graph, self.blocks, self.placement, self.nets = graph, blocks, placement, nets
        self.pieces: dict[Net, list[Piece]] = {net: pieces_of(net, placement) for net in nets}
        self.labels: list[Label] = []
        self._label_ends()
        self._label_marks()
        self._label_names()

    def svg(self) -> str:
        """The whole document."""
        nets = sorted(self.nets, key=lambda net: self._level(net) is not None)
        gaps = crossings(nets)
        body = [self._net(net, gaps.get(net, ())) for net in nets]
        body += [self._shape(block) for block in self.blocks.order]
        body += [label.svg() for label in self.labels]
        return self._document(body)

    def _document(self, body: list[str]) -> str:
        width, top = self.placement.width * UNIT, self.placement.top * UNIT
        bottom = self.placement.bottom * UNIT
        boxes = [label.box() for label in self.labels]
        left_edge = min([-30, *(box[0] for box in boxes)]) - 8
        right_edge = max([width + 30, *(box[2] for box in boxes)]) + 8
        top_edge = min([top - 8, *(box[1] for box in boxes)]) - 8
        bottom_edge = max([bottom + 8, *(box[3] for box in boxes)]) + 8
        size = right_edge - left_edge, bottom_edge - top_edge
        box = f"{left_edge:g} {top_edge:g} {size[0]:g} {size[1]:g}"
        name = escape(self.graph.name)
        says = "; ".join(f"{left} = {right}" for left, right in to_plain(self.graph))
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" class="gw" viewBox="{box}" '
                f'width="{size[0]:g}" height="{size[1]:g}" role="img" '
                f'aria-labelledby="{name}-title {name}-desc">',
                f'<title id="{name}-title">One step of the cell {name}</title>',
                f'<desc id="{name}-desc">{escape(says)}</desc>',
                f"<style>{STYLE}</style>",
                f'<rect class="page" x="{left_edge:g}" y="{top_edge:g}" '
                f'width="{size[0]:g}" height="{size[1]:g}" rx="10"/>',
                f'<rect class="frame" x="0" y="{top}" width="{width}" '
                f'height="{bottom - top}" rx="14"/>',
                *body,
                "</svg>\n",
            ]
        )

    def _level(self, net: Net) -> float | None:
        """The height of the carried state's line that the net is a part of, in pixels."""
        for line in self.placement.lines:
            if net.source in line[:-1]:
                return UNIT * self.placement.position[net.source][1]
        return None

    def _net(self, net: Net, gaps: Iterable[Piece]) -> str:
        level = self._level(net)
        parts = []
        for carried in (False, True):
            pieces = [
                piece
                for piece in self.pieces[net]
                if (level is not None and piece.is_level(level)) == carried
            ]
            if pieces:
                parts.append(self._lines(pieces, carried, net.source.kind == "join"))
        forks = "".join(
            f'<circle class="{"fork" if y == level else "head"}" cx="{x:g}" cy="{y:g}" r="4"/>'
            for x, y in forks_of(net)
        )
        cut = " ".join(piece.path() for piece in gaps)
        cut = f'<path class="gap" d="{cut}"/>' if cut else ""
        return f"<g>{cut}{''.join(parts)}{forks}</g>"

    @staticmethod
    def _lines(pieces: list[Piece], carried: bool, joined: bool) -> str:
        lines = "".join(piece.path() for piece in pieces)
        heads = "".join(piece.arrow_head() for piece in pieces if piece.arrow)
        kind = "carried" if carried else "joined" if joined else "plain"
        head = f'<path class="head" d="{heads}"/>' if heads else ""
        return f'<g class="{kind}"><path class="wire" d="{lines}"/>{head}</g>'

    def _shape(self, block: Block) -> str:
        if block.kind in ("source", "sink", "join"):
            return ""
        x, y = (UNIT * k for k in self.placement.position[block])
        w, h = half_size(block, self.placement)
        if block.is_layer:
            colour, corner = COLOURS.get(block.label, "linear"), 6
        else:
            colour, corner = "point", CIRCLE
        sign = block.kind == "operator"
        text = f'<text x="{x}" y="{y + (6 if sign else 5)}" text-anchor="middle"'
        text += f' class="sign">{block.label}' if sign else f">{with_subscripts(block.label)}"
        return (
            f'<rect class="box {colour}" x="{x - w:g}" y="{y - h:g}" width="{2 * w:g}" '
            f'height="{2 * h:g}" rx="{corner}"/>{text}</text>'
        )

    def _label_ends(self) -> None:
        """States and inputs where they enter, states and the output where they leave."""
        for block, (x, y) in self.placement.position.items():
            if block.kind == "source" and block.state:
                self.labels.append(Label(block.label, "t−1", (-32, y * UNIT + 5), "end"))
            elif block.kind == "source":
                self.labels.append(Label(block.label, "t", (x * UNIT, y * UNIT + 44), "middle"))
            elif block.kind == "sink" and x == self.placement.width:
                self.labels.append(Label(block.label, "t", (x * UNIT + 32, y * UNIT + 5), "start"))
            elif block.kind == "sink":
                self.labels.append(Label(block.label, "t", (x * UNIT, y * UNIT - 34), "middle"))
        if self.placement.output is not None:
            x, y = self.placement.output
            state = next(s for s, v in self.graph.new_states.items() if v is self.graph.output)
            self.labels.append(Label(state, "t", (x * UNIT, y * UNIT - 34), "middle"))

    def _label_marks(self) -> None:
        """Which of two lines is subtracted, or divides."""
        for net in self.nets:
            for connection, port in net.ends.items():
                if connection.mark:
                    x, y = (UNIT * k for k in port.point)
                    side = (-4, -8) if port.direction[0] else (9, 4)
                    spot = (x + side[0], y + side[1])
                    self.labels.append(Label(connection.mark, "", spot, "middle"))

    def _label_names(self) -> None:
        """The names of gates and other values, beside their blocks."""
        for block in self.blocks.order:
            gate = block.is_layer and block not in self.placement.flowing
            shown = [name for name in block.names if gate or name not in self.graph.states]
            if not shown or block.kind in ("source", "sink"):
                continue
            spots = [Label(", ".join(shown), "t", at, anchor) for at, anchor in self._spots(block)]
            self.labels.append(min(spots, key=self._disturbance))

    def _spots(self, block: Block) -> Iterable[tuple[Pixel, str]]:
        x, y = (UNIT * k for k in self.placement.position[block])
        w, h = half_size(block, self.placement)
        for rise in (0, 12, 24):
            yield (x + 7, y - h - 7 - rise), "start"
            yield (x - 7, y - h - 7 - rise), "end"
        for push in (0, 12, 24):
            yield (x + w + 5 + push, y - 8), "start"
            yield (x - w - 5 - push, y - 8), "end"
            yield (x + w + 5 + push, y + 18), "start"
            yield (x - w - 5 - push, y + 18), "end"
        yield (x + 9, y + h + 18), "start"
        yield (x - 9, y + h + 18), "end"

    def _disturbance(self, label: Label) -> int:
        """How much a label would cover."""
        box = label.box()
        covered = sum(
            10 * overlap(box, wire_box(a, c))
            for pieces in self.pieces.values()
            for piece in pieces
            for a, c in zip(piece.points, piece.points[1:], strict=False)
        )
        for block in self.placement.position:
            if block.kind not in ("source", "sink", "join"):
                covered += 20 * overlap(box, block_box(block, self.placement))
        return covered + sum(20 * overlap(box, other.box()) for other in self.labels)


class Label:
    """A symbol with its time below, somewhere in the picture.

    Args:
        name: one name or several with commas between, or a sign.
        time: what stands below; empty for a sign.
        at: where the text's baseline starts, ends or has its middle, in pixels.
        anchor: ``start``, ``end`` or ``middle``.
    """

    def __init__(self, name: str, time: str, at: Pixel, anchor: str):
        self.name, self.time, self.at, self.anchor = name, time, at, anchor

    def box(self) -> tuple[float, float, float, float]:
        """Left, top, right, bottom: what the text covers, estimated from its letters."""
        x, y = self.at
        width = sum(self._width(name) for name in self.name.split(", "))
        left = {"start": x, "middle": x - width / 2, "end": x - width}[self.anchor]
        return left, y - 13, left + width, y + 6

    def _width(self, name: str) -> float:
        if not self.time:
            return 9
        symbol = symbol_of(name)
        below = ",".join((*symbol.subscripts, self.time))
        letters = "x" if symbol.is_letter and symbol.base not in WIDE else symbol.base
        return sum(14 if k in WIDE else 9.5 for k in letters) + 6.5 * len(below) + 2

    def svg(self) -> str:
        """The text element."""
        x, y = self.at
        if not self.time:
            return f'<text x="{x:g}" y="{y:g}" text-anchor="{self.anchor}">{self.name}</text>'
        text = ", ".join(self._symbol(name) for name in self.name.split(", "))
        return f'<text class="name" x="{x:g}" y="{y:g}" text-anchor="{self.anchor}">{text}</text>'

    def _symbol(self, name: str) -> str:
        symbol = symbol_of(name)
        below = ",".join((*symbol.subscripts, self.time))
        letter = escape(symbol.unicode_base)
        if symbol.is_letter:
            letter = f'<tspan class="letter">{letter}</tspan>'
        return letter + lowered(below)


def with_subscripts(text: str) -> str:
    """SVG text of a label such as ``U_n``."""
    return SUBSCRIPT.sub(lambda found: lowered(found[1]), escape(text))


def lowered(text: str) -> str:
    """A small text below the line; an empty character brings the line back up."""
    return f'<tspan class="small" dy="4">{escape(text)}</tspan><tspan dy="-4">\u200b</tspan>'


Box = tuple[float, float, float, float]


def overlap(a: Box, c: Box) -> bool:
    """Whether two boxes share a point."""
    return a[0] < c[2] and c[0] < a[2] and a[1] < c[3] and c[1] < a[3]


def wire_box(a: Pixel, c: Pixel) -> Box:
    """What a straight wire covers, with a little air."""
    return min(a[0], c[0]) - 3, min(a[1], c[1]) - 3, max(a[0], c[0]) + 3, max(a[1], c[1]) + 3


def block_box(block: Block, placement: Placement) -> Box:
    """What a block covers."""
    x, y = (UNIT * k for k in placement.position[block])
    w, h = half_size(block, placement)
    return x - w, y - h, x + w, y + h
