"""What is computed before the loop, what the loop keeps for the backward pass, which buffers."""

from __future__ import annotations

import pytest

import gatewise as gw
from gatewise.backends.llvm.plan.program import choose_saved
from gatewise.equations import U, W, b, cell, tanh, where
from gatewise.equations.expression import topological
from gatewise.equations.rewrite import with_lengths, with_reset
from tests.backends.llvm.planning import (
    PADDED,
    equations_of,
    forward_of,
    names_of,
)


def hoisted_of(cell, training: bool = False) -> set[str]:
    """What the part before the loop computes for it."""
    hoist = forward_of(equations_of(cell, training)).hoist
    if hoist is None:
        return set()
    stores = [(node, place) for sweep in hoist.sweeps for node, place in sweep.stores]
    return {str(node) for node, place in stores if place.buffer == "hoisted"}


class TestHoisting:
    def test_products_of_the_input_with_their_biases(self):
        expected = {f"W.{gate} @ x + b.{gate}" for gate in "ifgo"}
        assert hoisted_of("lstm") == hoisted_of("lstm", training=True) == expected

    def test_a_bias_inside_a_recurrent_sum_stays(self):
        assert hoisted_of("gru") == {f"W.{gate} @ x + b.{gate}" for gate in "rzn"}

    def test_what_is_cheap_is_not_hoisted(self):
        @cell(states="h")
        def elementwise(x, h):
            h = tanh(x * b.a) + h
            return dict(h=h)

        assert hoisted_of(elementwise.graph) == set()

    def test_activations_behind_a_hoisted_product(self):
        @cell(states="h")
        def gated(x, h):
            g = tanh(W.g @ x)
            h = g * h
            return dict(g=g, h=h)

        assert hoisted_of(gated.graph) == {"tanh(W.g @ x)"}

    @pytest.mark.parametrize("name", gw.cells.names())
    def test_the_loop_of_no_cell_multiplies_an_input_by_a_matrix(self, name):
        assert not input_products(equations_of(name, training=False))

    @pytest.mark.parametrize("name", gw.cells.names())
    def test_nor_does_it_in_training(self, name):
        assert not input_products(equations_of(name, training=True))


def input_products(equations) -> set[str]:
    """Products in the loop of vectors that depend on inputs alone."""
    step = forward_of(equations).step
    groups = [group for sweep in step.sweeps for group in sweep.groups]
    recurrent = ("state", "given")
    return {
        str(group.vector)
        for group in groups
        if not any(node.operation in recurrent for node in topological([group.vector]))
    }


class TestSavedValues:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [
            ("lstm", {"i", "f", "g", "o"}),
            ("peephole", {"i", "f", "g", "o"}),
            ("lstm_projection", {"i", "f", "g", "o"}),
            ("lstm_coupled", {"f", "g", "o"}),
            ("gru", {"r", "z", "n", "U.n @ h + b.nh"}),
            ("gru_original", {"r", "z", "n"}),
            ("rnn", set()),  # its derivative follows from h
            ("rnn_relu", set()),
            ("indrnn", set()),
            ("rhn", {"n1", "t1", "n2", "t2", "n3", "t3"}),
        ],
    )
    def test_they_are_the_fewest(self, name, expected):
        made = equations_of(name, P=7)
        assert names_of(made, choose_saved(made)) == expected

    def test_inference_keeps_nothing(self):
        plan = forward_of(equations_of("lstm", training=False))
        assert not plan.saved
        assert plan.buffers["saved"].stride == 1

    def test_places_are_padded_to_vectors_side_by_side(self):
        plan = forward_of(equations_of("lstm"))
        assert sorted(place.offset for place in plan.saved.values()) == [
            k * PADDED for k in range(4)
        ]
        assert plan.buffers["saved"].stride == 4 * PADDED

    @pytest.mark.parametrize("hoisted", [True, False])
    def test_conditions_of_conditions_are_met_once(self, hoisted):
        """Paths through values that are read twice are without number."""

        @cell
        def nested(x, h):
            value = W.z @ x if hoisted else W.z @ x + U.z @ h
            condition = value > 0
            for k in range(60):
                condition = (condition & (value < k)) | ~condition
            return dict(h=tanh(U.h @ h + where(condition, value, h)))

        made = equations_of(nested.graph)
        kept = {"W.z @ x"} if hoisted else {"U.z @ h + W.z @ x"}
        assert names_of(made, choose_saved(made)) == kept
        assert forward_of(made).hoist is not None

    def test_conditions_are_computed_again(self):
        made = equations_of(with_reset(gw.cells.lstm.graph))
        assert names_of(made, choose_saved(made)) == {"i", "f", "g", "o"}

    def test_conditions_inside_conditions_are_computed_again(self):
        @cell(states="h")
        def nested(x, h):
            a = W.a @ x + h
            h = where((a < h) & ~(a <= 0.2), tanh(a), h)
            return dict(h=h)

        assert choose_saved(equations_of(nested.graph))


class TestBuffers:
    def test_the_output_is_the_past_of_its_state(self):
        plan = forward_of(equations_of("lstm"))
        assert plan.output_state == "h"
        assert (plan.buffers["y"].stride, plan.buffers["y"].units) == (19, 19)
        assert plan.buffers["state.c"].stride == PADDED

    def test_an_output_that_is_no_state_has_rows_of_its_own(self):
        plan = forward_of(equations_of(with_lengths(gw.cells.lstm.graph)))
        assert plan.output_state is None
        assert sorted(plan.inputs) == ["alive", "x"]

    def test_a_state_of_another_size_is_known_by_it(self):
        for training in (False, True):
            plan = forward_of(equations_of("lstm_projection", training, P=7))
            assert plan.buffers["y"].stride == 7
            assert plan.step.sweeps[-1].units == 7

    def test_inputs_that_the_loop_reads_are_named_once(self):
        assert forward_of(equations_of("lstm")).inputs == ["x"]
        assert set(forward_of(equations_of("gru_d")).inputs) == set(gw.cells.gru_d.graph.inputs)
