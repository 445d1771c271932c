"""Wires on a grid: each the cheapest way around blocks and across other wires.

Wires run along the grid's lines. Two of them may cross, but never run along each other, and bends
and crossings cost more than length, so that the picture stays calm.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from gatewise.equations.drawing.blocks import Block
from gatewise.equations.drawing.placement import (
    EAST,
    NORTH,
    SOUTH,
    WEST,
    Placement,
    Point,
    Port,
)

BEND, CROSSING, NEAR = 4, 6, 1


class NoWayError(Exception):
    """A wire found no way; the blocks must stand further apart."""


@dataclass(frozen=True, eq=False)
class Connection:
    """A wire's end: where it enters a block, or leaves the cell."""

    source: Block
    target: Block
    ports: Sequence[Port]
    mark: str = ""


@dataclass(eq=False)
class Net:
    """All wires that carry one value.

    Attributes:
        source: where they start.
        steps: for every grid point of theirs, the directions in which they arrive and go on.
        ends: the port that each connection took.
        start: the port at which they leave the source.
    """

    source: Block
    steps: dict[Point, set[Point]] = field(default_factory=dict)
    ends: dict[Connection, Port] = field(default_factory=dict)
    start: Port | None = None
    arrivals: dict[Point, Point] = field(default_factory=dict)

    def arms(self, point: Point) -> set[Point]:
        """The sides of a point on which the net has a wire."""
        return self.steps.get(point, set())


def opposite(direction: Point) -> Point:
    """The other way."""
    return -direction[0], -direction[1]


def moved(point: Point, direction: Point, by: int = 1) -> Point:
    """The point so many units further."""
    return point[0] + by * direction[0], point[1] + by * direction[1]


class Grid:
    """The points that wires may take, and which of them already do."""

    def __init__(self, placement: Placement):
        self.placement = placement
        self.blocked: set[Point] = set()
        self.near: dict[Point, int] = {}
        self.across: dict[Point, Net] = {}  # a wire runs east-west here
        self.along: dict[Point, Net] = {}  # a wire runs north-south here
        self.full: dict[Point, Net] = {}  # a wire bends, forks or ends here
        for block in placement.position:
            self._block(block)

    def _block(self, block: Block) -> None:
        left, top, right, bottom = self.placement.corners(block)
        if block.kind in ("source", "sink"):
            return
        for x in range(left, right + 1):
            for y in range(top, bottom + 1):
                self.blocked.add((x, y))
        ports = [*self.placement.exits(block), *self.placement.entries(block, True)]
        for port in ports + self.placement.entries(block, False):
            self.near[port.point] = 3 * NEAR
            self.near.setdefault(moved(port.point, opposite(port.direction)), NEAR)

    def inside(self, point: Point) -> bool:
        """Whether a point lies in the frame."""
        x, y = point
        return 0 <= x <= self.placement.width and self.placement.top <= y <= self.placement.bottom

    def route(self, net: Net, connection: Connection) -> None:
        """Find the cheapest way from the net's wires, or its source, to one of the ports.

        Raises:
            NoWayError: there is none.
        """
        path = _Search(self, net, connection.ports).run()
        if not net.steps:
            net.start = next(
                port for port in self.placement.exits(net.source) if port.point == path[0]
            )
            net.steps[path[0]] = {opposite(net.start.direction)}
            net.arrivals[path[0]] = net.start.direction
        for a, c in pairwise(path):
            direction = (c[0] - a[0], c[1] - a[1])
            net.steps.setdefault(a, set()).add(direction)
            net.steps.setdefault(c, set()).add(opposite(direction))
            net.arrivals.setdefault(c, direction)
        port = next(port for port in connection.ports if port.point == path[-1])
        net.steps[path[-1]].add(port.direction)
        net.ends[connection] = port
        self._occupy(net, path)

    def _occupy(self, net: Net, path: list[Point]) -> None:
        for point in path:
            arms = net.steps[point]
            if arms == {EAST, WEST} and point not in (path[0], path[-1]):
                self.across[point] = net
            elif arms == {NORTH, SOUTH} and point not in (path[0], path[-1]):
                self.along[point] = net
            else:
                self.full[point] = net

    def crossed(self, point: Point, direction: Point, net: Net) -> bool | None:
        """Whether a wire running so crosses another there; None where it may not run."""
        if point in self.blocked or not self.inside(point) or point in self.full:
            return None
        same, other = (
            (self.across, self.along) if direction in (EAST, WEST) else (self.along, self.across)
        )
        if point in same or other.get(point) is net:
            return None
        return point in other


class _Search:
    """A* from all that a net has to a few ports."""

    def __init__(self, grid: Grid, net: Net, ports: Sequence[Port]):
        self.grid, self.net = grid, net
        self.targets = {(port.point, port.direction): port.cost for port in ports}
        self.points = [port.point for port in ports]
        self.best: dict[tuple[Point, Point], int] = {}
        self.came: dict[tuple[Point, Point], tuple[Point, Point] | None] = {}
        self.heap: list[tuple[int, int, Point, Point]] = []

    def run(self) -> list[Point]:
        """The points of the way."""
        for point, direction, cost in self._starts():
            self._reach((point, direction), cost, None)
        while self.heap:
            _, cost, point, direction = heapq.heappop(self.heap)
            state = point, direction
            if cost > self.best[state]:
                continue
            if state in self.targets and self._is_end(state):
                return self._path(state)
            self._leave(state, cost)
        raise NoWayError

    def _starts(self) -> Iterable[tuple[Point, Point, int]]:
        if not self.net.steps:
            for port in self.grid.placement.exits(self.net.source):
                if port.point not in self.grid.full and not (
                    port.point in self.grid.across or port.point in self.grid.along
                ):
                    yield port.point, port.direction, port.cost
            return
        ends = {port.point for port in self.net.ends.values()}
        for point, direction in self.net.arrivals.items():
            crossed = point in self.grid.across and point in self.grid.along
            if point not in ends and not crossed:
                yield point, direction, 0

    def _leave(self, state: tuple[Point, Point], cost: int) -> None:
        point, direction = state
        start = self.came[state] is None
        # on another's wire one can only go straight on
        crossing = not start and (point in self.grid.across or point in self.grid.along)
        for turn in (EAST, SOUTH, WEST, NORTH):
            if turn == opposite(direction) or (crossing and turn != direction):
                continue
            if start and turn in self.net.arms(point):
                continue
            following = moved(point, turn)
            crossed = self.grid.crossed(following, turn, self.net)
            if crossed is None:
                continue
            price = 1 + BEND * (turn != direction) + CROSSING * crossed
            price += self.grid.near.get(following, 0)
            self._reach((following, turn), cost + price, state)

    def _reach(
        self, state: tuple[Point, Point], cost: int, before: tuple[Point, Point] | None
    ) -> None:
        cost += self.targets.get(state, 0) if before else 0
        if cost < self.best.get(state, 1 << 30):
            self.best[state], self.came[state] = cost, before
            x, y = state[0]
            rest = min(abs(x - a) + abs(y - c) for a, c in self.points)
            heapq.heappush(self.heap, (cost + rest, cost, *state))

    def _is_end(self, state: tuple[Point, Point]) -> bool:
        point = state[0]
        return point not in self.grid.across and point not in self.grid.along

    def _path(self, state: tuple[Point, Point]) -> list[Point]:
        path = []
        step: tuple[Point, Point] | None = state
        while step is not None:
            path.append(step[0])
            step = self.came[step]
        return path[::-1]


def route(placement: Placement, connections: Sequence[Connection]) -> list[Net]:
    """Lay all wires.

    A wire that finds no way is laid earlier in another attempt.

    Raises:
        NoWayError: no order of wires works; the blocks must stand further apart.
    """
    order = sorted(connections, key=lambda c: _priority(placement, c))
    for _ in range(6):
        grid = Grid(placement)
        nets: dict[Block, Net] = {}
        for connection in order:
            net = nets.setdefault(connection.source, Net(connection.source))
            try:
                grid.route(net, connection)
            except NoWayError:
                order.remove(connection)
                order.insert(0, connection)
                break
        else:
            return list(nets.values())
    raise NoWayError


def _priority(placement: Placement, connection: Connection) -> tuple[int, int]:
    """Carried lines first, then joined lines, then short before long."""
    a = placement.position[connection.source]
    points = [port.point for port in connection.ports]
    distance = min(abs(a[0] - x) + abs(a[1] - y) for x, y in points)
    if placement.straight(connection.source, connection.target):
        return 0, distance
    if connection.target not in placement.position:
        return 3, distance  # the output, besides being a state
    joined = "join" in (connection.source.kind, connection.target.kind)
    return (1 if joined else 2), distance
