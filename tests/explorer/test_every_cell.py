"""Every cell of the catalogue in its page: its numbers, its equations, its tour, its what-ifs."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.explorer import export
from tests.explorer.conftest import MEANINGLESS


def given_for(graph, T, I, H):
    """Inputs of every kind that a cell reads."""
    drawn = {
        name: torch.rand(T, {"I": I, "H": H}.get(size, size))
        for name, size in graph.inputs.items()
        if name != "x"
    }
    return {"x": torch.randn(T, I), **drawn}


@pytest.mark.slow
@pytest.mark.parametrize("T", [1, 7])
@pytest.mark.parametrize("name", gw.cells.names())
def test_a_page_of_any_cell_works(name, T, opened, tmp_path):
    graph = gw.cells.get(name).graph
    H, I = 6, 6 if graph.sizes.equal else 4
    layer = gw.Recurrent(name, I, H)
    page = opened(export(layer, given_for(graph, T, I, H), tmp_path / "page.html"))
    assert page.tell("store.network.difference(store.original)") < 1e-5
    for equation in page.page.locator(".equation:not([disabled])").all():
        equation.click()
        if page.page.locator(".worked .product").count():
            page.page.click(".worked .product >> nth=0")
    assert not any(word in page.page.inner_text("#cell") for word in MEANINGLESS)
    for button in page.page.locator("#whatif .row >> nth=0 >> button:not([disabled])").all():
        button.click()
        page.settle()
    page.take_tour()
