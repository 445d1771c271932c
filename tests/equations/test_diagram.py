"""Diagrams: whole, legible and without overlaps for every cell; the classical figure for LSTM."""

from __future__ import annotations

import itertools
import subprocess
import sys
from functools import cache
from pathlib import Path
from xml.etree import ElementTree

import pytest

import gatewise as gw
from gatewise.equations import U, W, b, cell, exp, p, sigmoid, softplus, tanh, where
from gatewise.equations.diagram import lay_out, to_svg
from gatewise.equations.drawing.blocks import Block, blocks_of
from gatewise.equations.drawing.picture import Label, Picture, block_box, overlap
from gatewise.equations.drawing.placement import EAST, NORTH, SOUTH, WEST, Placement, Port
from gatewise.equations.drawing.routing import Connection, Net, NoWayError, route
from gatewise.equations.drawing.wires import UNIT, pieces_of
from gatewise.equations.notation import symbol_of

CELLS = gw.cells.names()
DIAGRAMS = Path(__file__).parents[2] / "docs" / "diagrams"
NAMESPACE = "{http://www.w3.org/2000/svg}"


@cache
def drawn(name: str) -> Picture:
    graph = gw.cells.get(name).graph
    return Picture(graph, *lay_out(graph))


def shown(picture: Picture) -> list[Block]:
    return [b for b in picture.blocks.order if b.kind in ("layer", "function", "operator")]


def shrunk(box, by=1.0):
    return box[0] + by, box[1] + by, box[2] - by, box[3] - by


def segments(picture: Picture):
    for net, pieces in picture.pieces.items():
        for piece in pieces:
            for a, c in itertools.pairwise(piece.points):
                yield net, (min(a[0], c[0]), min(a[1], c[1]), max(a[0], c[0]), max(a[1], c[1]))


@pytest.mark.parametrize("name", CELLS)
def test_no_two_blocks_overlap(name):
    picture = drawn(name)
    boxes = [block_box(block, picture.placement) for block in shown(picture)]
    for one, other in itertools.combinations(boxes, 2):
        assert not overlap(one, other)


@pytest.mark.parametrize("name", CELLS)
def test_no_wire_runs_through_a_block(name):
    picture = drawn(name)
    boxes = [shrunk(block_box(block, picture.placement)) for block in shown(picture)]
    for _, segment in segments(picture):
        assert not any(overlap(segment, box) for box in boxes)


@pytest.mark.parametrize("name", CELLS)
def test_wires_of_different_values_only_cross(name):
    nets = drawn(name).nets
    for one, other in itertools.combinations(nets, 2):
        for point in one.steps.keys() & other.steps.keys():
            assert {frozenset(one.arms(point)), frozenset(other.arms(point))} == {
                frozenset({EAST, WEST}),
                frozenset({NORTH, SOUTH}),
            }


@pytest.mark.parametrize("name", CELLS)
def test_every_block_is_wired_to_what_enters_it(name):
    picture = drawn(name)
    wired = {(net.source, c.target) for net in picture.nets for c in net.ends}
    expected = {(e.block, block) for block in picture.blocks.order for e in block.entries}
    assert expected <= wired
    ends = sum(len(net.ends) for net in picture.nets)
    assert ends == sum(len(block.entries) for block in picture.blocks.order) + (
        picture.placement.output is not None
    )


@pytest.mark.parametrize("name", CELLS)
def test_everything_lies_in_the_picture(name):
    root = ElementTree.fromstring(drawn(name).svg())
    x, y, width, height = map(float, root.attrib["viewBox"].split())
    picture = drawn(name)
    boxes = [box for _, box in segments(picture)]
    boxes += [block_box(block, picture.placement) for block in shown(picture)]
    boxes += [label.box() for label in picture.labels]
    for left, top, right, bottom in boxes:
        assert x <= left
        assert y <= top
        assert right <= x + width
        assert bottom <= y + height


@pytest.mark.parametrize("name", CELLS)
def test_labels_cover_neither_blocks_nor_each_other(name):
    picture = drawn(name)
    boxes = [shrunk(block_box(block, picture.placement)) for block in shown(picture)]
    for label in picture.labels:
        assert not any(overlap(label.box(), box) for box in boxes), label.name
    for one, other in itertools.combinations(picture.labels, 2):
        assert not overlap(shrunk(one.box()), shrunk(other.box())), (one.name, other.name)


@pytest.mark.parametrize("name", CELLS)
def test_every_value_and_every_leaf_is_labelled(name):
    graph = gw.cells.get(name).graph
    root = ElementTree.fromstring(to_svg(graph))
    texts = {
        part
        for text in root.iter(f"{NAMESPACE}text")
        if text.get("class") == "name"
        for part in "".join(text.itertext()).replace("\u200b", "").split(", ")
    }

    def symbol(value: str, time: str) -> str:
        taken = symbol_of(value)
        return taken.unicode_base + ",".join((*taken.subscripts, time))

    now = {symbol(value, "t") for value in (*graph.values, *graph.inputs)}
    assert now | {symbol(state, "t−1") for state in graph.states} == texts


@pytest.mark.parametrize("name", CELLS)
def test_readers_are_told_what_is_drawn(name):
    root = ElementTree.fromstring(to_svg(gw.cells.get(name).graph))
    identifiers = {element.get("id"): element for element in root.iter()}
    title, description = (identifiers[key] for key in root.attrib["aria-labelledby"].split())
    assert name in (title.text or "")
    assert (description.text or "").count(" = ") >= len(gw.cells.get(name).graph.values)


def test_lstm_is_the_figure_of_the_articles():
    picture = drawn("lstm")
    position = picture.placement.position
    by_name = {name: block for block in picture.blocks.order for name in block.names}
    gates = [by_name[name] for name in "figo"]
    assert [gate.label for gate in gates] == ["σ", "σ", "tanh", "σ"]
    assert len({position[gate][1] for gate in gates}) == 1  # one row of gates
    xs = [position[gate][0] for gate in gates]
    assert xs == sorted(xs)  # forget, input, candidate, output
    line = picture.placement.lines[0]
    assert [block.label for block in line] == ["c", "×", "+", "c"]
    heights = {position[block][1] for block in line}
    assert len(heights) == 1  # the cell state runs straight along the top
    assert heights == {min(position[block][1] for block in shown(picture))}
    assert position[line[1]][0] == position[by_name["f"]][0]  # f straight up to its ×
    assert position[line[2]][0] == position[by_name["g"]][0]
    below = [block for block in shown(picture) if block.label == "tanh" and not block.is_layer]
    assert position[below[0]][0] == position[by_name["h"]][0]  # tanh(c) above its ×


def test_carried_line_is_straight_wherever_there_is_one():
    lines = 0
    for name in CELLS:
        placement = drawn(name).placement
        for line in placement.lines:
            lines += 1
            assert len({placement.position[block][1] for block in line}) == 1, name
            xs = [placement.position[block][0] for block in line]
            assert xs == sorted(set(xs)), name
    assert lines > len(CELLS) // 2


def test_states_enter_left_and_leave_right_and_inputs_come_from_below():
    for name in CELLS:
        placement = drawn(name).placement
        for block, (x, y) in placement.position.items():
            if block.kind == "source":
                assert x == 0 if block.state else y == placement.bottom, name
            elif block.kind == "sink" and block.state:
                assert x == placement.width, name


def test_what_is_subtracted_or_divides_is_marked():
    @cell
    def marked(x, h):
        h = (h - tanh(W.a @ x)) / softplus(W.d @ x)
        return {"h": h}

    picture = Picture(marked.graph, *lay_out(marked.graph))
    assert [label.name for label in picture.labels if not label.time] == ["−", "÷"]


def test_signs_of_products_are_seen():
    @cell
    def signed(x, h):
        h = tanh(U.a @ h - W.a @ x + b.a) + softplus(-(W.d @ x + b.d)) - W.e @ x
        return {"h": h}

    picture = Picture(signed.graph, *lay_out(signed.graph))
    minus = [block for block in shown(picture) if block.label == "−"]
    assert len(minus) == 2  # in front of softplus' argument, and before the last product
    assert [label.name for label in picture.labels if not label.time] == ["−", "−"]


def test_a_cell_may_name_anything():
    @cell(states=("h",), inputs={"x": "I", "gap": 1})
    def strange(x, gap, h):
        a = W.a @ x
        late = where((gap > 0.5) | (h < 0), a, -h)
        twin = late
        q = sigmoid(late * late + 1 - U.q @ (a * h) + b.q)
        h = q * h + 2 / (1 + late)
        return {"a": a, "late": late, "twin": twin, "q": q, "h": h}

    svg = to_svg(strange.graph)
    ElementTree.fromstring(svg)
    assert "late" in svg
    assert "twin" in svg


def test_states_may_pass_on_other_states():
    @cell(states=("h", "a", "q"), inputs={"x": "I", "time_since_last": 1, "temperature": 1})
    def passing(x, time_since_last, temperature, h, a, q):
        h, a, q = a, h, sigmoid(q * (time_since_last + temperature)) + a
        return {"h": h, "a": a, "q": q}

    picture = Picture(passing.graph, *lay_out(passing.graph))
    ends = [block for block in picture.blocks.order if block.kind == "sink"]
    assert len({picture.placement.position[block] for block in ends}) == len(ends) == 3
    for one, other in itertools.combinations(picture.labels, 2):
        assert not overlap(one.box(), other.box())


def test_the_same_graph_gives_the_same_picture_everywhere():
    command = (
        "import sys, gatewise as gw; "
        "[sys.stdout.write(gw.cells.get(n).diagram()) for n in ('gru', 'slstm', 'gru_d')]"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", command],
            env={"PYTHONHASHSEED": seed, "PYTHONIOENCODING": "utf-8"},
            capture_output=True,
            check=True,
            cwd=Path(__file__).parents[2],
        ).stdout
        for seed in ("1", "2")
    }
    assert len(runs) == 1


@pytest.mark.parametrize("path", sorted(DIAGRAMS.glob("*.svg")), ids=lambda path: path.stem)
def test_shipped_diagrams_are_what_the_code_draws(path):
    assert path.read_text(encoding="utf-8") == to_svg(gw.cells.get(path.stem).graph)


def test_a_wire_that_finds_no_way_says_so():
    source, wall, target = (Block("source", k, state=k) for k in "abc")
    wall.kind, target.kind = "layer", "sink"
    placement = Placement({source: (0, 0), wall: (4, 0), target: (9, 0)}, {}, [], 9, -1, 1)
    placement.half_width = {source: 0, wall: 2, target: 0}
    connection = Connection(source, target, [Port((9, 0), EAST)])
    with pytest.raises(NoWayError):
        route(placement, [connection])
    placement.top = -3  # room above the wall
    (net,) = route(placement, [connection])
    assert isinstance(net, Net)
    (piece,) = pieces_of(net, placement)
    assert piece.arrow
    assert piece.points[-1][0] == 9 * UNIT + 26


def test_weights_that_are_computed_are_told_apart():
    """Two of them once were both called w."""

    @cell
    def fading(x, h):
        slow, fast = softplus(p.slow), 1 / (1 + exp(-p.of_many_words))
        return dict(h=slow * h + fast * x)

    labels = {block.label for block in blocks_of(fading.graph).order}
    assert {"×softplus(p_slow)", "×…"} <= labels


def test_wide_letters_and_commas_take_their_room():
    """The picture's edge once cut into the m of a state m0."""

    def width(name: str) -> float:
        left, _, right, _ = Label(name, "t", (0, 0), "start").box()
        return right - left

    assert width("m0") > width("n0") > width("n") + 2 * 5
    assert width("mean") > width("near")
