"""Every cell of the catalogue: gradients, learning, description. A new cell arrives tested."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from torch import nn

import gatewise as gw
from gatewise.backends.derived import gradients
from gatewise.equations import Cell
from tests.recurrences import autograd_gradients, finite_differences, sample

CELLS = gw.cells.names()
FOLDER = Path(gw.cells.__path__[0])


def detaches(cell: Cell) -> bool:
    return any(node.operation == "detach" for node in cell.graph.order)


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", CELLS)
def test_derived_gradient_equals_autograd(name, reverse):
    case = sample(gw.cells.get(name).graph, T=4, B=3, H=6, I=5, reverse=reverse)
    found = gradients(case.recurrence, case.operands, case.output_gradient, case.state_gradients)
    expected = autograd_gradients(case)
    for kind in ("inputs", "states", "parameters", "givens"):
        for own, value in getattr(found, kind).items():
            wanted = expected[f"{kind} {own}"]
            torch.testing.assert_close(value, wanted, rtol=1e-9, atol=1e-10, msg=f"{kind} {own}")


@pytest.mark.parametrize("name", [n for n in CELLS if not detaches(gw.cells.get(n))])
def test_derived_gradient_equals_finite_differences(name):
    case = sample(gw.cells.get(name).graph, T=2, B=1)
    found = gradients(case.recurrence, case.operands, case.output_gradient, case.state_gradients)
    for leaf, wanted in finite_differences(case).items():
        kind, _, own = leaf.partition(" ")
        value = getattr(found, kind)[own]
        # relative 1e-6 of the largest entry; central differences at 1e-6 are good to about 1e-9
        scale = max(1.0, float(wanted.abs().max()))
        assert float((value - wanted).abs().max()) <= 1e-6 * scale, leaf


@pytest.mark.parametrize("name", CELLS)
def test_description_survives_json(name):
    cell = gw.cells.get(name)
    again = Cell.from_dict(json.loads(json.dumps(cell.to_dict())))
    assert again.graph.values == cell.graph.values
    assert again.graph.new_states == cell.graph.new_states
    assert again.graph.sizes == cell.graph.sizes
    assert (again.title, again.paper, again.initial) == (cell.title, cell.paper, cell.initial)


@pytest.mark.parametrize("name", CELLS)
def test_file_is_small_and_says_where_the_cell_comes_from(name):
    cell = gw.cells.get(name)
    assert cell.title
    assert any(character.isdigit() for character in cell.paper), "the paper's year"
    lines = (FOLDER / f"{name}.py").read_text(encoding="utf-8").splitlines()
    assert len(lines) <= 40


@pytest.mark.parametrize("name", CELLS)
def test_learns_to_remember_a_symbol_over_five_steps(name):
    """One of four symbols, then five blanks; which was it? Guessing costs log 4 at every step."""
    torch.manual_seed(0)
    symbols, blank, H = torch.arange(4), 4, 16
    tokens = torch.full((6, 4), blank)
    tokens[0] = symbols
    layer, embedding = gw.Recurrent(name, H, H), nn.Embedding(5, H)
    head = nn.Linear(layer.output_size, 4)
    # one unit of time passes at each step, and everything is observed
    more = {
        key: torch.ones(6, 4, H if size == "I" else 1)
        for key, size in layer.graph.inputs.items()
        if key != "x"
    }
    modules = nn.ModuleList([layer, embedding, head])
    optimizer = torch.optim.Adam(modules.parameters(), lr=0.015)
    losses = []
    for _ in range(60):
        y, _ = layer(embedding(tokens), **more)
        loss = nn.functional.cross_entropy(head(y[-1]), symbols)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    # who tells only two groups of the four apart ends at half; most end below a hundredth
    assert losses[-1] < 0.65 * losses[0]


@pytest.mark.parametrize("other", [lambda x, h: dict(h=h), None, ["lstm"]])
def test_what_is_no_cell_is_refused(other):
    with pytest.raises(TypeError, match="neither a cell nor a name of one; write @cell"):
        gw.Recurrent(other, 3, 5)
