"""The plan of the backward kernel: which gradients are products, which are sums of columns."""

from __future__ import annotations

import gatewise as gw
from gatewise.equations.rewrite import with_recurrent_mask
from tests.backends.llvm.planning import PADDED, backward_of, equations_of


def test_every_matrix_has_a_gradient_and_gates_are_written_once():
    plan = backward_of(equations_of("lstm"))
    found = {item.matrix.name: item for item in plan.weights}
    assert set(found) == {f"{space}.{gate}" for space in "WU" for gate in "ifgo"}
    for gate in "ifgo":
        w, u = found[f"W.{gate}"], found[f"U.{gate}"]
        assert w.gradient == u.gradient
        assert (w.rows, w.columns, u.columns) == (19, 5, 19)
        assert (w.vector.buffer, u.vector.buffer) == ("in.x", "state.h")
    assert plan.buffers["gradients"].stride == 4 * PADDED


def test_biases_are_sums_of_the_gradients_that_are_there():
    plan = backward_of(equations_of("lstm"))
    gradients = {item.matrix.name: item.gradient for item in plan.weights}
    assert {vector.name: place for vector, place, _ in plan.vectors} == {
        f"b.{gate}": gradients[f"U.{gate}"] for gate in "ifgo"
    }


def test_a_vector_that_no_buffer_holds_is_written_for_its_product():
    plan = backward_of(equations_of("gru_original"))
    found = {item.matrix.name: item.vector.buffer for item in plan.weights}
    assert found["U.n"] == "vectors"
    assert found["U.r"] == "state.h"


def test_the_gradient_of_an_input_waits_for_the_end_of_the_block():
    plan = backward_of(equations_of("lstm"))
    assert plan.input_gradients == ["x"]
    assert plan.deferred is not None
    (sweep,) = plan.deferred.sweeps
    assert sweep.units == 5
    assert len(sweep.accumulators) == 1  # four products, one sum
    products = [product for own in sweep.accumulators for product in own]
    assert len(products) == 4


def test_an_input_whose_gradient_nobody_wants_costs_nothing():
    plan = backward_of(equations_of("lstm"), wanted=())
    assert plan.deferred is None
    assert plan.input_gradients == []
    assert not any(name.startswith("dx.") for name in plan.buffers)


def test_gradients_of_givens_add_up_in_place():
    graph = with_recurrent_mask(gw.cells.lstm.graph, ("h",))
    plan = backward_of(equations_of(graph))
    stores = [place.buffer for sweep in plan.step.sweeps for _, place in sweep.stores]
    assert stores.count("dgiven.mask_h") == 1


def test_every_state_hands_its_gradient_to_the_step_before():
    plan = backward_of(equations_of("lstm"))
    stores = {place.buffer for sweep in plan.step.sweeps for _, place in sweep.stores}
    assert {"next_flow.h", "next_flow.c"} <= stores
