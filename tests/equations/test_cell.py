"""`@cell`: what it makes of a function, and every mistake it finds in one."""

from __future__ import annotations

import copy
import math
import pickle

import numpy as np
import pytest
import torch

import gatewise as gw
from gatewise.equations import Cell, EquationError, R, U, W, b, cell, p, s, sigmoid, tanh, where


def elman(**options):
    @cell(**options)
    def elman(x, h):
        h = tanh(W.h @ x + U.h @ h + b.h)
        return dict(h=h)

    return elman


def leaky(**options):
    """A cell with a constant of each kind."""

    @cell(**options)
    def leaky(x, h, *, rate=0.5, depth=1, gated=False):
        n = x
        for k in range(depth):
            n = tanh(W["n", k] @ n + b["n", k]) if k == 0 else tanh(U["n", k] @ n + b["n", k])
        step = rate * sigmoid(U.g @ h) if gated else rate
        h = h + step * (n - h)
        return dict(n=n, h=h)

    return leaky


class TestWhatItMakes:
    def test_describes_itself(self):
        made = elman()
        assert (made.name, made.states, made.gates) == ("elman", ("h",), ())
        assert list(made.parameters) == ["W.h", "U.h", "b.h"]
        assert made.parameter_count(3, 5) == 5 * 3 + 5 * 5 + 5
        assert repr(made) == "<cell elman: states h; gates none>"
        assert repr(gw.cells.lstm) == "<cell lstm: states h, c; gates i, f, g, o>"

    def test_decorator_works_bare(self):
        @cell
        def bare(x, h):
            return dict(h=tanh(U.h @ h + W.h @ x))

        assert bare.states == ("h",)

    @pytest.mark.parametrize("given", [("h", "c"), 3, "h", gw.cells.lstm])
    def test_decorator_takes_no_other_thing(self, given):
        with pytest.raises(EquationError, match=r"stands above a function.*states=\('h', 'c'\)"):
            cell(given)

    def test_function_docstring_names_title_and_paper(self):
        @cell
        def mine(x, h):
            """My cell: Somebody (2024),
            in a journal.

            More.
            """
            return dict(h=tanh(U.h @ h + W.h @ x))

        assert mine.title == "My cell"
        assert mine.paper == "Somebody (2024), in a journal"
        assert elman().title == "elman"
        assert elman().paper == ""

    def test_state_given_as_one_name(self):
        @cell(states="h")
        def one(x, h):
            return dict(h=tanh(U.h @ h + W.h @ x))

        assert one.states == ("h",)

    def test_output_is_any_returned_value(self):
        @cell(states=("h",), output="y")
        def read_out(x, h):
            h = tanh(W.h @ x + U.h @ h)
            return dict(h=h, y=R.y @ h)

        assert read_out.graph.output is read_out.graph.values["y"]

    def test_never_changes(self):
        made = elman()
        assert copy.deepcopy(made) is made
        again = pickle.loads(pickle.dumps(made))
        assert again.graph.values == made.graph.values


class TestConstants:
    def test_float_is_a_value_at_run_time(self):
        made = leaky()
        other = made.with_constants(rate=0.25)
        assert other.constants == {"rate": 0.25}
        assert made.constants == {"rate": 0.5}
        assert other.graph.values == made.graph.values

    def test_whole_number_and_flag_shape_the_graph(self):
        deep = leaky().with_constants(depth=3)
        assert list(deep.parameters) == ["W.n_0", "b.n_0", "U.n_1", "b.n_1", "U.n_2", "b.n_2"]
        assert "U.g" in leaky().with_constants(gated=True).parameters

    def test_whole_number_will_do_for_a_float(self):
        assert leaky().with_constants(rate=1).constants == {"rate": 1.0}
        assert leaky().with_constants(rate=np.float32(0.25)).constants == {"rate": 0.25}

    def test_one_choice_does_not_undo_another(self):
        both = leaky().with_constants(rate=0.25).with_constants(depth=2)
        assert both.constants == {"rate": 0.25}
        assert "U.n_1" in both.with_constants(gated=True).parameters

    @pytest.mark.parametrize(
        ("wrong", "says"),
        [
            (dict(speed=1.0), "no constant 'speed'; it has rate, depth, gated"),
            (dict(depth=1.5), "'depth' is a int such as 1, not 1.5"),
            (dict(depth=True), "'depth' is a int"),
            (dict(gated=1), "'gated' is a bool"),
            (dict(rate="fast"), "'rate' is a float such as 0.5, not 'fast'"),
            (dict(rate=None), "'rate' is a float"),
            (dict(rate=True), "'rate' is a float"),
        ],
    )
    def test_wrong_constant_is_explained(self, wrong, says):
        with pytest.raises(EquationError, match="cell 'leaky'") as caught:
            leaky().with_constants(**wrong)
        assert says in str(caught.value)

    def test_cell_read_from_a_document_keeps_its_shape(self):
        again = Cell.from_dict(leaky().to_dict())
        assert again.with_constants(rate=0.1).constants == {"rate": 0.1}
        with pytest.raises(EquationError, match="no constant depth"):
            again.with_constants(depth=2)


def define(function, **options):
    return lambda: cell(**options)(function)


def wrong(name: str):
    """A function of this kind, wrong in the way of that name."""

    def mismatch(x, h, c):
        return dict(h=h + c, c=c)

    def branch(x, h):
        return dict(h=tanh(x) if h > 0 else h)

    def equal(x, h):
        return dict(h=tanh(W.h @ x) if h == x else h)

    def not_returned(x, h, c):
        return dict(h=tanh(W.h @ x + c))

    def nothing(x, h):
        tanh(W.h @ x + h)

    def a_tuple(x, h):
        return tanh(W.h @ x + h), h

    def matrix_value(x, h):
        return dict(h=tanh(W.h @ x + h), weight=U.h)

    def condition_value(x, h):
        return dict(h=tanh(W.h @ x + h), which=h > 0)

    def number_value(x, h):
        return dict(h=tanh(W.h @ x + h), k=2.0)

    def bad_name(x, h):
        return {"h": tanh(W.h @ x + h), "new state": h}

    def no_name(x, h):
        return {"h": tanh(W.h @ x + h), 3: h}

    def named_as_input(x, h):
        return dict(h=tanh(W.h @ x + h), x=h)

    def named_as_constant(x, h, *, rate=0.5):
        return dict(h=tanh(W.h @ x + rate * h), rate=h)

    def one_number(x, h):
        return dict(h=s.k * 2)

    def uses_math(x, h):
        return dict(h=math.tanh(h) * x)

    def uses_numpy(x, h):
        return dict(h=np.exp(W.h @ x + h))

    def uses_torch(x, h):
        return dict(h=torch.sigmoid(W.h @ x + h))

    def uses_method(x, h):
        return dict(h=(W.h @ x + h).tanh())

    def calls_wrongly(x, h):
        return dict(h=sigmoid(W.h @ x, h))

    def no_default(x, h, *, rate):
        return dict(h=rate * h + W.h @ x)

    def star(x, h, *more):
        return dict(h=h + W.h @ x)

    def stars(x, h, **more):
        return dict(h=h + W.h @ x)

    def only_by_place(x, h, /):
        return dict(h=h + W.h @ x)

    def good(x, h):
        return dict(h=tanh(W.h @ x + U.h @ h))

    def good2(x, h, c):
        return dict(h=tanh(W.h @ x + U.h @ h), c=c)

    def without_state(x):
        return dict(y=W.y @ x)

    def mixed_products(x, h):
        return dict(h=tanh(W.h @ x + W.h @ h))

    def stranger(x, h):
        return dict(h=tanh(W.h @ x + h) + gw.cells.lstm.graph.constants.get("k", _LEAF))

    def output(x, output):
        return dict(output=tanh(W.h @ x + output))

    def lengths(x, lengths, h):
        return dict(h=tanh(W.h @ x + h + lengths))

    return locals()[name]


_LEAF = where(gw.equations.expression.input_leaf("y") < 1, 0.0, 1.0)


@pytest.mark.parametrize(
    ("function", "options", "says"),
    [
        # declared and written do not agree
        (
            "good",
            dict(states=("h", "c")),
            ["'c' is declared but not an argument", "def good(x, h, c)"],
        ),
        ("good2", dict(states=("h",)), ["'c' is neither an input (x) nor a state (h)", "states="]),
        ("good", dict(states=("h",), inputs=dict(x="I", dt=1)), ["'dt' is declared"]),
        ("good", dict(states=()), ["no state", "states=('h',)"]),
        ("without_state", dict(states=()), ["no state"]),
        ("without_state", {}, ["'h' is declared but not an argument"]),
        ("no_default", {}, ["'rate' needs a default value", "rate=1.0"]),
        ("star", {}, ["*more is not allowed"]),
        ("stars", {}, ["**more is not allowed"]),
        ("only_by_place", {}, ["not allowed"]),
        ("good", dict(inputs=dict(u="I")), ["one of them is x"]),
        ("good", dict(output="y"), ["output='y' is not among the returned values h"]),
        # a name used twice
        ("good", dict(states=("h", "h")), ["state name 'h' is used twice"]),
        ("good", dict(states=("h", "x")), ["'x' is used twice"]),
        ("good2", dict(states=("h", "c"), inputs=dict(x="I", c="H")), ["'c' is used twice"]),
        ("named_as_input", {}, ["'x' is used twice", "input or constant"]),
        ("named_as_constant", {}, ["'rate' is used twice", "input or constant"]),
        ("output", dict(states="output"), ["'output' means something else already"]),
        ("lengths", dict(inputs=dict(x="I", lengths=1)), ["'lengths' means something else"]),
        # sizes
        ("good", dict(states=dict(h=0)), ["size of 'h'", "not 0"]),
        ("good", dict(states=dict(h=-3)), ["size of 'h'", "not -3"]),
        ("good", dict(states=dict(h=2.5)), ["size of 'h'", "not 2.5"]),
        ("good", dict(states=dict(h=None)), ["size of 'h'", "not None"]),
        ("good", dict(states=dict(h=True)), ["size of 'h'", "not True"]),
        ("good", dict(inputs=dict(x="two words")), ["size of 'x'", "'two words'"]),
        ("mismatch", dict(states=dict(h="H", c="P")), ["h + c", "H", "P", "same"]),
        ("mixed_products", dict(states=dict(h="H")), ["W.h @ h", "I", "H", "same"]),
        ("one_number", {}, ["new value of state 'h'", "one number", "size H"]),
        # what comes back
        ("not_returned", dict(states=("h", "c")), ["does not return its state 'c'", "c=c"]),
        ("nothing", {}, ["return its values by name", "NoneType"]),
        ("a_tuple", {}, ["return its values by name", "tuple"]),
        ("matrix_value", {}, ["'weight' is a matrix (U.h)"]),
        ("condition_value", {}, ["'which' is a condition (0 < h)"]),
        ("number_value", {}, ["'k' is 2.0"]),
        ("bad_name", {}, ["'new state' cannot be the name"]),
        ("no_name", {}, ["3 cannot be the name"]),
        # values are not known yet
        ("branch", {}, ["`if`", "0 < h", "where("]),
        ("equal", {}, ["h == x", "where("]),
        ("uses_math", {}, ["h is a symbol", "gatewise.equations"]),
        ("uses_numpy", {}, ["numpy.exp", "W.h @ x + h", "gatewise.equations"]),
        ("uses_torch", {}, ["sigmoid(W.h @ x + h)", "gatewise.equations"]),
        ("uses_method", {}, ["tanh", "gatewise.equations"]),
        ("calls_wrongly", {}, ["sigmoid() takes 1 positional argument", "gatewise.equations"]),
        ("stranger", {}, ["y is not an input, a state or a constant of this cell"]),
        # initial values
        ("good", dict(initial={"b.f": 1.0}), ["'b.f'", "W.h, U.h, h"]),
        ("good", dict(initial={"V": 1.0}), ["'V'", "names no parameter or state"]),
        ("good", dict(initial={"U.h": "random"}), ["'random'", "orthogonal"]),
        ("good", dict(initial={"U.h": (1, 2, 3)}), ["(1, 2, 3)", "bounds"]),
        ("good", dict(initial={"U.h": None}), ["None", "bounds"]),
        ("good", dict(initial={"h": "identity"}), ["'identity'", "a state starts at a number"]),
        ("good", dict(initial={"h": (0.0, 1.0)}), ["a state starts at a number"]),
    ],
)
def test_mistake_is_explained(function, options, says):
    with pytest.raises(EquationError) as caught:
        define(wrong(function), **options)()
    message = str(caught.value)
    assert message.startswith(f"cell {function!r}: ")
    for part in says:
        assert part in message


def test_rules_of_initial_values_are_for_matrices():
    with pytest.raises(EquationError, match="for matrices"):
        elman(initial={"b.h": "orthogonal"})
    made = elman(initial={"U": "orthogonal", "W.h": (-0.1, 0.1), "b": 1, "h": 0.5})
    assert Cell.from_dict(made.to_dict()).initial == made.initial


def test_initial_value_may_name_a_vector_that_a_constant_brings():
    made = leaky(initial={"b.n_1": 1.0})
    assert "b.n_1" in made.with_constants(depth=2).parameters


@pytest.mark.parametrize("name", ["_h", "class"])
def test_state_must_be_a_plain_word(name):
    namespace = {"cell": cell, "tanh": tanh, "W": W, "p": p}
    if name == "class":  # no argument can be called so, but a document may say it
        document = elman().to_dict()
        document["graph"]["states"] = {"class": "H"}
        with pytest.raises(EquationError):
            Cell.from_dict(document)
        return
    code = f"@cell(states=({name!r},))\ndef odd(x, {name}):\n    return dict({name}=tanh(W.h @ x))"
    with pytest.raises(EquationError, match="cannot be the name of a state"):
        exec(code, namespace)


@pytest.mark.parametrize(
    "document",
    [
        None,
        3,
        "text",
        [],
        {},
        {"graph": None},
        {"graph": {}},
        {"graph": [1, 2]},
        {**elman().to_dict(), "initial": 3},
        {**elman().to_dict(), "initial": {"U.h": {"a": 1}}},
        {**elman().to_dict(), "initial": {"h": "x"}},
        {**elman().to_dict(), "documentation": 3},
    ],
)
def test_damaged_document_is_an_equation_error(document):
    with pytest.raises(EquationError):
        Cell.from_dict(document)
