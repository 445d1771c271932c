"""A cell's graph: parameters, gates, and the JSON document that a model file holds."""

from __future__ import annotations

import copy
import json
import pickle
import random

import pytest

import gatewise as gw
from gatewise.equations import (
    EquationError,
    Graph,
    R,
    U,
    V,
    W,
    b,
    block_diagonal,
    cell,
    exp,
    p,
    s,
    sigmoid,
    tanh,
    where,
)
from gatewise.equations.rewrite import without_bias
from tests.random_cells import random_graph

LSTM = gw.cells.lstm.graph


def parts(graph: Graph) -> tuple:
    """All that makes a graph."""
    return (
        graph.name,
        graph.inputs,
        graph.states,
        graph.values,
        graph.new_states,
        graph.output,
        graph.constants,
        graph.givens,
    )


class TestParameters:
    def test_are_listed_in_the_order_of_their_first_use(self):
        names = [f"{n}.{k}" for k in "ifgo" for n in "WUb"]
        assert list(LSTM.parameters) == names

        @cell
        def chain(x, h):
            first = tanh(U.first @ h + W.first @ x)
            second = tanh((V.second - V.second.T) @ first * p.second)
            h = R.third @ second + b.third + s.third
            return dict(h=h)

        assert [name.split(".")[1] for name in chain.parameters] == [
            *["first"] * 2,
            *["second"] * 2,
            *["third"] * 3,
        ]

    def test_know_their_shape_and_operand(self):
        @cell
        def various(x, h, *, heads=2):
            n = tanh(W.n @ x + block_diagonal(U.n, heads) @ h + s.n * p.n)
            h = n + V.h @ (h * n) + (R.a @ R.b) @ h
            return dict(n=n, h=h)

        found = various.parameters
        assert {name: q.shape for name, q in found.items() if q.shape != ("H", "H")} == {
            "W.n": ("H", "I"),
            "s.n": (),
            "p.n": ("H",),
        }
        assert repr(found["V.h"].operand).startswith("h * ")
        assert found["U.n"].blocks == 2
        assert found["U.n"].operand.name == found["W.n"].operand.name.replace("x", "h")
        assert found["R.a"].operand is None
        assert found["p.n"].operand is None
        assert (found["U.n"].namespace, found["U.n"].key) == ("U", "n")

    def test_without_bias(self):
        bare = without_bias(LSTM)
        assert list(bare.parameters) == [f"{n}.{k}" for k in "ifgo" for n in "WU"]
        assert repr(bare.values["i"]) == "sigmoid(W.i @ x + U.i @ h)"
        assert without_bias(bare).values == bare.values


class TestGates:
    def test_are_named_activations(self):
        assert LSTM.gates == ("i", "f", "g", "o")
        assert gw.cells.gru.graph.gates == ("r", "z", "n")
        assert gw.cells.rnn.graph.gates == ()  # its one activation is the output

    def test_pre_activation_is_the_argument_of_the_outermost(self):
        @cell
        def some(x, h):
            g = exp(W.g @ x)
            k = sigmoid(h) * g
            return dict(g=g, k=k, h=tanh(k))

        found = {name: repr(value) for name, value in some.graph.pre_activations.items()}
        assert found == {"g": "W.g @ x", "h": "sigmoid(h) * exp(W.g @ x)"}


def test_with_constants():
    @cell
    def leaky(x, h, *, rate=0.5):
        return dict(h=rate * h + W.h @ x)

    assert leaky.graph.with_constants({"rate": 1}).constants == {"rate": 1.0}
    with pytest.raises(EquationError, match="no constant speed; it has rate"):
        leaky.graph.with_constants({"speed": 1.0})


class TestDocument:
    @pytest.mark.parametrize("seed", range(20))
    def test_comes_back_the_same(self, seed):
        graph = random_graph(seed, detached=True)
        again = Graph.from_dict(json.loads(json.dumps(graph.to_dict())))
        assert parts(again) == parts(graph)

    def test_survives_pickle_and_copy(self):
        assert parts(pickle.loads(pickle.dumps(LSTM))) == parts(LSTM)
        assert copy.deepcopy(LSTM) is LSTM

    def test_deep_graph_needs_no_recursion(self):
        @cell
        def deep(x, h, *, depth=2000):
            for _ in range(depth):
                h = tanh(h + W.h @ x)
            return dict(h=h)

        assert parts(pickle.loads(pickle.dumps(deep.graph))) == parts(deep.graph)

    def damage(self, change):
        document = json.loads(json.dumps(LSTM.to_dict()))
        change(document)
        with pytest.raises(EquationError) as caught:
            Graph.from_dict(document)
        assert "not the description of a cell" in str(caught.value)

    @pytest.mark.parametrize(
        "change",
        [
            lambda d: d["nodes"].append(["os.system", [], ["true"]]),
            lambda d: d["nodes"].append([["sigmoid"], [0], []]),
            lambda d: d["nodes"].append(["sigmoid", [0, 1], []]),
            lambda d: d["nodes"].append(["sigmoid", [], []]),
            lambda d: d["nodes"].append(["sigmoid", [len(d["nodes"])], []]),
            lambda d: d["nodes"].append(["sigmoid", [-1], []]),
            lambda d: d["nodes"].append(["sigmoid", [True], []]),
            lambda d: d["nodes"].append(["sigmoid", [0.0], []]),
            lambda d: d["nodes"].append(["sigmoid", [0], ["more"]]),
            lambda d: d["nodes"].append(["sigmoid", [0], None]),
            lambda d: d["nodes"].append(["parameter", [], ["X", "i"]]),
            lambda d: d["nodes"].append(["parameter", [], ["W", "a.b"]]),
            lambda d: d["nodes"].append(["parameter", [], ["W", 3]]),
            lambda d: d["nodes"].append(["parameter", [], []]),
            lambda d: d["nodes"].append(["number", [], ["1"]]),
            lambda d: d["nodes"].append(["number", [], [True]]),
            lambda d: d["nodes"].append(["number", [], [10**400]]),
            lambda d: d["nodes"].append(["layer_norm", [0, 1], [2, 1e-5]]),
            lambda d: d["nodes"].append(["layer_norm", [0], [0, -1.0]]),
            lambda d: d["nodes"].append(["row_sum", [], []]),
            lambda d: d["nodes"].append(["row_sum", [0], [1]]),
            lambda d: d["nodes"].append(["block_diagonal", [0], [0]]),
            lambda d: d["nodes"].append(["scale", [0, 1], []]),
            lambda d: d["nodes"].append(["cotangent", [], ["h"]]),
            lambda d: d["nodes"].append(["input", [], [None]]),
            lambda d: d["values"].update({"f": -1}),
            lambda d: d["values"].update({"f": 0}),  # a matrix
            lambda d: d["values"].update({"a b": d["values"]["f"]}),
            lambda d: d["new_states"].pop("c"),
            lambda d: d["new_states"].update(z=d["new_states"]["c"]),
            lambda d: d["states"].update(z="H"),
            lambda d: d["states"].update(h=0),
            lambda d: d["states"].update(h=True),
            lambda d: d["states"].update(h="two words"),
            lambda d: d["states"].update(h=["H"]),
            lambda d: d["inputs"].update({"y z": "I"}),
            lambda d: d["inputs"].clear(),
            lambda d: d["states"].clear(),
            lambda d: d.update(output=None),
            lambda d: d.update(name=3),
            lambda d: d.update(nodes={}),
            lambda d: d.update(constants={"k": "1"}),
            lambda d: d.update(givens=[]),
        ],
    )
    def test_named_damage_is_an_equation_error(self, change):
        self.damage(change)

    def test_missing_constant(self):
        @cell
        def leaky(x, h, *, rate=0.5):
            return dict(h=rate * h + W.h @ x)

        document = leaky.graph.to_dict()
        document["constants"] = {}
        with pytest.raises(EquationError, match="no value for rate"):
            Graph.from_dict(document)

    @pytest.mark.parametrize("seed", range(400))
    def test_random_damage_is_an_equation_error_or_harmless(self, seed):
        generator = random.Random(seed)
        graph = random_graph(seed % 7)
        document = json.loads(json.dumps(graph.to_dict()))
        for _ in range(generator.randint(1, 3)):
            _break_something(document, generator)
        try:
            again = Graph.from_dict(document)
        except EquationError:
            return
        # what was let pass is a whole graph: it can be described and read again
        assert parts(Graph.from_dict(json.loads(json.dumps(again.to_dict())))) == parts(again)
        assert all(map(repr, again.order))


def _break_something(document, generator):
    """Delete, replace or swap one thing somewhere in a JSON document."""
    where = document
    while True:
        keys = list(where) if isinstance(where, dict) else list(range(len(where)))
        if not keys:
            return
        key = generator.choice(keys)
        if isinstance(where[key], dict | list) and where[key] and generator.random() < 0.85:
            where = where[key]
            continue
        break
    odd = [None, True, -1, 0, 3, 10**9, 1.5, float("nan"), "", "h", "W", "sigmoid", [], {}, [[0]]]
    action = generator.random()
    if action < 0.3:
        del where[key]
    elif action < 0.8:
        where[key] = generator.choice(odd)
    else:
        other = generator.choice(keys)
        where[key], where[other] = where[other], where[key]


def test_a_weight_that_only_a_condition_reads_is_a_parameter():
    @cell(states="h")
    def switched(x, h):
        h = where(b.k < 0.3, tanh(W.a @ x + U.a @ h), h)
        return dict(h=h)

    assert set(switched.parameters) == {"b.k", "W.a", "U.a"}
