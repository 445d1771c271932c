"""The lines that wires are drawn as: pieces between forks, with rounded corners."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from gatewise.equations.drawing.blocks import Block
from gatewise.equations.drawing.placement import EAST, Placement, Point
from gatewise.equations.drawing.routing import Connection, Net, moved, opposite

UNIT = 12
"""Pixels between two neighbouring wires."""
RADIUS, CIRCLE, BOX = 9, 13, 18
ARROW, GAP = 8, 6

Pixel = tuple[float, float]


@dataclass(frozen=True)
class Piece:
    """A line without forks, from corner to corner.

    Attributes:
        points: its corners, ends included, in pixels.
        arrow: whether it ends at a block.
    """

    points: tuple[Pixel, ...]
    arrow: bool = False

    def path(self) -> str:
        """The line as SVG path data, corners rounded, an arrow's length short of its end."""
        points = list(self.points)
        if self.arrow:
            points[-1] = _towards(points[-1], points[-2], ARROW - 1)
        parts = [f"M{_text(points[0])}"]
        for before, corner, after in zip(points, points[1:], points[2:], strict=False):
            radius = min(RADIUS, _length(before, corner) / 2, _length(corner, after) / 2)
            first, last = _towards(corner, before, radius), _towards(corner, after, radius)
            parts.append(f"L{_text(first)}Q{_text(corner)} {_text(last)}")
        parts.append(f"L{_text(points[-1])}")
        return "".join(parts)

    def is_level(self, y: float) -> bool:
        """Whether it runs along one row and nowhere else."""
        return all(point[1] == y for point in self.points)

    def arrow_head(self) -> str:
        """The arrow at its end, as path data."""
        (x, y), back = self.points[-1], _towards(self.points[-1], self.points[-2], ARROW)
        dx, dy = (x - back[0]) / 2, (y - back[1]) / 2
        left, right = (back[0] - dy, back[1] + dx), (back[0] + dy, back[1] - dx)
        return f"M{_text((x, y))}L{_text(left)}L{_text(right)}Z"


def pieces_of(net: Net, placement: Placement) -> list[Piece]:
    """All pieces of a net."""
    special = {point for point, arms in net.steps.items() if len(arms) != 2}
    ends = {port.point: connection for connection, port in net.ends.items()}
    assert net.start is not None
    start = net.start.point
    pieces = [_walk(net, placement, start, None, special, ends)]
    for point in special:
        for arm in net.arms(point):
            stub = point == start and arm == opposite(net.start.direction)
            if not stub and net.arrivals.get(point) != opposite(arm):
                pieces.append(_walk(net, placement, point, arm, special, ends))
    return pieces


def _walk(
    net: Net,
    placement: Placement,
    point: Point,
    arm: Point | None,
    special: set[Point],
    ends: dict[Point, Connection],
) -> Piece:
    """The piece that leaves a point by an arm, or the source when there is no arm."""
    assert net.start is not None
    if arm is None:
        points = [_edge(placement, net.source, point, opposite(net.start.direction))]
        heading = net.start.direction
    else:
        points, heading = [_pixel(point)], arm
        point = moved(point, arm)
    while point not in special:
        arms = net.arms(point) - {opposite(heading)}
        points.append(_pixel(point))
        if point in ends:
            break
        heading = next(iter(arms))
        point = moved(point, heading)
    else:
        points.append(_pixel(point))
    if point not in ends:
        return Piece(tuple(_corners(points)))
    connection = ends[point]
    points.append(_edge(placement, connection.target, point, net.ends[connection].direction))
    joins = connection.target.kind == "join"
    if joins:  # the line bends into the joined one
        points.append(_pixel(moved(placement.position[connection.target], EAST)))
    return Piece(tuple(_corners(points)), arrow=not joins)


def forks_of(net: Net) -> list[Pixel]:
    """Where a net's wires part."""
    return [_pixel(point) for point, arms in net.steps.items() if len(arms) > 2]


def crossings(nets: Sequence[Net]) -> dict[Net, list[Piece]]:
    """Where a net's wires cross those of nets before it in the list: short pieces of them."""
    found: dict[Net, list[Piece]] = {}
    for k, net in enumerate(nets):
        below = set().union(*(other.steps for other in nets[:k]))
        for point in below & net.steps.keys():
            x, y = _pixel(point)
            dx, dy = (GAP, 0) if EAST in net.arms(point) else (0, GAP)
            found.setdefault(net, []).append(Piece(((x - dx, y - dy), (x + dx, y + dy))))
    return found


def _edge(placement: Placement, block: Block, point: Point, direction: Point) -> Pixel:
    """Where a wire that runs on from a point meets a block, or leaves the picture's frame."""
    x, y = _pixel(point)
    if block.kind in ("source", "sink"):
        return x + 26 * direction[0], y + 26 * direction[1]
    if block.kind == "join":
        return _pixel(placement.position[block])
    middle = _pixel(placement.position[block])
    w, h = half_size(block, placement)
    if direction[0]:
        return middle[0] - w * direction[0], y
    return x, middle[1] - h * direction[1]


def half_size(block: Block, placement: Placement) -> Pixel:
    """Half of a block's width and height in pixels."""
    half = placement.half_width[block]
    if block.is_layer:
        return half * UNIT, BOX
    return (CIRCLE if half == 1 else half * UNIT), CIRCLE


def _pixel(point: Point) -> Pixel:
    return point[0] * UNIT, point[1] * UNIT


def _corners(points: list[Pixel]) -> list[Pixel]:
    """Points where the line turns, and its ends."""
    kept = [points[0]]
    for before, point, after in zip(points, points[1:], points[2:], strict=False):
        if (before[0] == point[0] == after[0]) or (before[1] == point[1] == after[1]):
            continue
        kept.append(point)
    kept.append(points[-1])
    return kept


def _length(a: Pixel, c: Pixel) -> float:
    return abs(a[0] - c[0]) + abs(a[1] - c[1])


def _towards(a: Pixel, c: Pixel, distance: float) -> Pixel:
    """The point so far from `a` on the way to `c`; the two share a row or a column."""
    length = _length(a, c) or 1
    return a[0] + (c[0] - a[0]) * distance / length, a[1] + (c[1] - a[1]) * distance / length


def _text(pixel: Pixel) -> str:
    return f"{pixel[0]:g},{pixel[1]:g}"
