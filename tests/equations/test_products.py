"""What is computed once per call, once for all steps, or in the loop, and in which phase."""

from __future__ import annotations

import pytest

import gatewise as gw
from gatewise.equations import (
    U,
    V,
    W,
    b,
    cell,
    exp,
    layer_norm,
    p,
    s,
    sigmoid,
    softplus,
    tanh,
    where,
)
from gatewise.equations.derivative import differentiate
from gatewise.equations.products import group_products, schedule
from tests.random_cells import random_graph


def matrices(groups):
    return [[product.operands[0].name for product in group] for group in groups]


def sorted_cell(made):
    return schedule(made.graph.roots)


def test_lstm_has_one_hoisted_and_one_recurrent_group():
    found = sorted_cell(gw.cells.lstm)
    assert matrices(found.hoisted_products) == [["W.i", "W.f", "W.g", "W.o"]]
    recurrent = [matrices(phase.products) for phase in found.phases]
    assert recurrent == [[], [["U.i", "U.f", "U.g", "U.o"]]]


def test_reset_before_the_product_takes_a_second_phase():
    found = sorted_cell(gw.cells.get("gru_original"))
    assert [matrices(phase.products) for phase in found.phases] == [
        [],
        [["U.r", "U.z"]],
        [["U.n"]],
    ]
    names = [
        {n for n, v in gw.cells.get("gru_original").graph.values.items() if v in phase.pointwise}
        for phase in found.phases
    ]
    assert names == [set(), {"r", "z"}, {"n", "h"}]


def test_peephole_into_the_new_cell_state_takes_no_phase():
    assert len(sorted_cell(gw.cells.get("peephole")).phases) == 2
    assert len(sorted_cell(gw.cells.get("peephole_full")).phases) == 3


def test_what_depends_on_inputs_alone_is_hoisted_whole():
    @cell(inputs=dict(x="I", dt=1))
    def encoded(x, dt, h):
        e = tanh(V.e @ tanh(W.e @ x + b.e) + p.e * dt)  # a chain of products
        decay = exp(-softplus(s.rate) * dt)
        h = decay * h + layer_norm(V.n @ e)
        return dict(e=e, h=h)

    found = sorted_cell(encoded)
    assert matrices(found.hoisted_products) == [["W.e"], ["V.e"], ["V.n"]]
    assert encoded.graph.values["e"] in found.hoisted
    assert [node.operation for node in found.hoisted].count("layer_norm") == 1
    assert len(found.phases) == 1
    assert found.phases[0].products == ()
    assert {repr(n) for n in found.phases[0].pointwise if n.operands} == {
        "exp(-softplus(s.rate) * dt) * h",
        repr(encoded.graph.values["h"]),
    }


def test_weights_alone_are_computed_once_per_call():
    @cell
    def skewed(x, h, *, rate=0.5):
        skew = U.h - U.h.T
        h = tanh(skew @ h + W.h @ x + sigmoid(b.h) * rate)
        return dict(h=h)

    found = sorted_cell(skewed)
    assert {"U.h - U.h.T", "U.h.T", "sigmoid(b.h) * rate"} <= set(map(repr, found.per_call))
    assert not any(node.operands for node in found.hoisted if node.operation != "product")


def test_mask_given_once_per_call_is_not_hoisted():
    graph = gw.equations.rewrite.with_recurrent_mask(gw.cells.lstm.graph, ("h",))
    found = schedule(graph.roots)
    assert matrices(found.phases[1].products) == [["U.i", "U.f", "U.g", "U.o"]]
    assert [repr(g[0].operands[1]) for g in found.phases[1].products] == ["h * mask_h"]


def test_normalising_across_units_ends_a_phase():
    @cell
    def normal(x, h):
        return dict(h=tanh(layer_norm(U.h @ h + W.h @ x)) * where(x < 1, 1, layer_norm(h)))

    found = sorted_cell(normal)
    depths = {n.operation: d for n, d in found.depth.items() if repr(n) != "layer_norm(h)"}
    assert depths["product"] == 1
    assert depths["layer_norm"] == 2
    assert next(d for n, d in found.depth.items() if repr(n) == "layer_norm(h)") == 1


@pytest.mark.parametrize("of", ["step", "derivative"])
@pytest.mark.parametrize("seed", range(25))
def test_random_graph_can_be_computed_in_the_order_of_its_schedule(seed, of):
    graph = random_graph(seed, detached=True)
    roots = graph.roots if of == "step" else [*graph.roots, *differentiate(graph).roots]
    found = schedule(roots)
    done = set()
    stages = [found.per_call, found.hoisted]
    for phase in found.phases:
        assert group_products(node for g in phase.products for node in g) == phase.products
        stages += [tuple(node for group in phase.products for node in group), phase.pointwise]
    for stage in stages:
        for node in stage:
            assert all(operand in done for operand in node.operands), node
            assert node not in done
            done.add(node)
    assert done.issuperset(roots)
    assert not any(n.operation in ("state", "given", "cotangent") for n in found.hoisted)
