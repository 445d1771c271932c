"""Each change of a graph against doing the same by hand, step by step, gradients included."""

from __future__ import annotations

import pytest
import torch

import gatewise as gw
from gatewise.backends import Operands, Recurrence
from gatewise.backends.derived import gradients
from gatewise.backends.noise import noise, random_bits
from gatewise.backends.reference import ReferenceBackend
from gatewise.equations import EquationError
from gatewise.equations.rewrite import (
    rebuild,
    recurrent_matrices,
    substitute,
    with_change,
    with_clamp,
    with_expected_zoneout,
    with_lengths,
    with_recurrent_mask,
    with_reset,
    with_zoneout,
)
from tests.random_cells import random_graph
from tests.recurrences import autograd_gradients, sample

GRAPHS = {
    "lstm": gw.cells.lstm.graph,
    "gru_original": gw.cells.get("gru_original").graph,
    "lstm_projection": gw.cells.get("lstm_projection").graph,
    **{f"random {seed}": random_graph(seed) for seed in range(4)},
}
SIZES = dict(I=6, H=4, P=2)
T, B = 6, 3


def run(graph, operands, reverse=False, keep=()):
    numbers = {"I": SIZES["I"], "H": SIZES["H"], "P": SIZES["P"]}
    return ReferenceBackend().run(Recurrence(graph, numbers, reverse), operands, keep)


def case_of(name, reverse=False):
    return sample(GRAPHS[name], T=T, B=B, reverse=reverse, **SIZES)


def one_step(graph, operands, states, t, keep=()):
    inputs = {name: value[t : t + 1] for name, value in operands.inputs.items()}
    return run(graph, Operands(inputs, states, operands.parameters, operands.givens), keep=keep)


def by_hand(graph, operands, reverse, before=None, after=None):
    """The loop, written out: `before` and `after` change the states around each step."""
    states, outputs = dict(operands.states), [None] * T
    for t in range(T - 1, -1, -1) if reverse else range(T):
        old = before(t, states) if before else states
        result = one_step(graph, operands, old, t)
        states, outputs[t] = (after or (lambda _t, _old, r: (r.states, r.output[0])))(
            t, old, result
        )
    return torch.stack(outputs), states


def assert_same(result, expected):
    torch.testing.assert_close(result.output, expected[0], rtol=1e-12, atol=1e-12)
    for name, value in expected[1].items():
        torch.testing.assert_close(result.states[name], value, rtol=1e-12, atol=1e-12)


def more(operands, inputs=None, givens=None):
    return Operands(
        {**operands.inputs, **(inputs or {})},
        operands.states,
        operands.parameters,
        {**operands.givens, **(givens or {})},
    )


@pytest.mark.parametrize("reverse", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
class TestAgainstHand:
    def test_reset(self, name, reverse):
        case = case_of(name, reverse)
        marks = torch.rand(T, B, 1, dtype=torch.float64).round()
        initial = {n: torch.randn_like(v) for n, v in case.operands.states.items()}
        operands = more(
            case.operands, {"reset": marks}, {f"initial_{n}": v for n, v in initial.items()}
        )

        def before(t, states):
            return {n: torch.where(marks[t] > 0, initial[n], v) for n, v in states.items()}

        graph = GRAPHS[name]
        assert_same(
            run(with_reset(graph), operands, reverse),
            by_hand(graph, case.operands, reverse, before),
        )

    def test_lengths(self, name, reverse):
        case = case_of(name, reverse)
        alive = torch.tensor([[0, 3, T]]) > torch.arange(T)[:, None]
        marks = alive[..., None].double()

        def after(t, old, result):
            states = {n: torch.where(marks[t] > 0, result.states[n], v) for n, v in old.items()}
            return states, torch.where(marks[t] > 0, result.output[0], 0.0)

        graph = GRAPHS[name]
        assert_same(
            run(with_lengths(graph), more(case.operands, {"alive": marks}), reverse),
            by_hand(graph, case.operands, reverse, after=after),
        )

    def test_reset_and_lengths_together(self, name, reverse):
        case = case_of(name, reverse)
        graph, o = GRAPHS[name], case.operands
        alive = (torch.tensor([[0, 3, T]]) > torch.arange(T)[:, None])[..., None].double()
        reset = torch.rand(T, B, 1, dtype=torch.float64).round()
        initial = {n: torch.randn_like(v) for n, v in o.states.items()}
        operands = more(
            o,
            {"reset": reset, "alive": alive},
            {f"initial_{n}": v for n, v in initial.items()},
        )
        states, outputs = dict(o.states), [None] * T
        for t in range(T - 1, -1, -1) if reverse else range(T):
            start = {n: torch.where(reset[t] > 0, initial[n], v) for n, v in states.items()}
            result = one_step(graph, o, start, t)
            states = {n: torch.where(alive[t] > 0, result.states[n], v) for n, v in states.items()}
            outputs[t] = torch.where(alive[t] > 0, result.output[0], 0.0)
        expected = torch.stack(outputs), states
        assert_same(run(with_lengths(with_reset(graph)), operands, reverse), expected)


@pytest.mark.parametrize("name", ["lstm", "gru_original", "lstm_projection"])
def test_mask_is_read_by_recurrent_products_alone(name):
    case = case_of(name)
    graph, o = GRAPHS[name], case.operands
    masks = {n: torch.rand_like(v).round() * 2 for n, v in o.states.items()}
    masked = with_recurrent_mask(graph, tuple(graph.states))
    found = run(masked, more(o, givens={f"mask_{n}": m for n, m in masks.items()}))
    # by hand: the columns of every matrix that multiplies a state, plain or gated, are masked
    rows = []
    for k in range(B):
        weights = dict(o.parameters)
        for key, q in graph.parameters.items():
            state = {"U": "h", "V": "c"}.get(q.namespace)
            if state is not None:
                weights[key] = weights[key] * masks[state][k]
        one = Operands(
            {n: v[:, k : k + 1] for n, v in o.inputs.items()},
            {n: v[k : k + 1] for n, v in o.states.items()},
            weights,
        )
        rows.append(run(graph, one).output)
    torch.testing.assert_close(found.output, torch.cat(rows, 1), rtol=1e-12, atol=1e-12)
    assert not torch.equal(found.output, run(graph, o).output)


class TestMask:
    def test_unknown_state(self):
        with pytest.raises(EquationError, match="no state z; its states: h, c"):
            with_recurrent_mask(GRAPHS["lstm"], ("z",))

    def test_comes_before_resets(self):
        with pytest.raises(EquationError, match="mask it before"):
            with_recurrent_mask(with_reset(GRAPHS["lstm"]), ("h",))
        both = with_reset(with_recurrent_mask(GRAPHS["lstm"], ("h",)))
        assert set(both.givens) == {"mask_h", "initial_h", "initial_c"}


@pytest.mark.parametrize("value", ["f", "i", "c", "h"])
def test_clamp(value):
    case = case_of("lstm")
    graph, o = GRAPHS["lstm"], case.operands
    clamped = with_clamp(graph, value)
    held = torch.rand(T, B, 4, dtype=torch.float64).round()
    to = torch.randn(T, B, 4, dtype=torch.float64)
    result = run(
        clamped, more(o, {f"clamped_{value}": held, f"clamp_{value}": to}), keep=tuple("ifgoch")
    )
    kept = result.values
    torch.testing.assert_close(kept[value][held > 0], to[held > 0])
    # the rest of the step follows from the changed value
    h, c = o.states["h"], o.states["c"]
    for t in range(T):
        plain = one_step(graph, o, {"h": h, "c": c}, t, keep=tuple("ifgoch")).values
        gates = {k: v[0] for k, v in plain.items()}

        def hold(name, new, t=t):
            return torch.where(held[t] > 0, to[t], new) if name == value else new

        i, f = hold("i", gates["i"]), hold("f", gates["f"])
        c = hold("c", f * c + i * gates["g"])
        h = hold("h", gates["o"] * torch.tanh(c))
        torch.testing.assert_close(kept["c"][t], c)
        torch.testing.assert_close(kept["h"][t], h)
        torch.testing.assert_close(result.output[t], h)


def test_clamps_join_each_other_and_lengths():
    graph = with_lengths(with_clamp(with_clamp(GRAPHS["lstm"], "f"), "c"))
    assert list(graph.inputs) == ["x", "clamped_f", "clamp_f", "clamped_c", "clamp_c", "alive"]
    assert graph.values["c"] is not graph.new_states["c"]


@pytest.mark.parametrize("change", [with_clamp, with_change])
def test_unknown_value(change):
    with pytest.raises(EquationError, match="no value 'forget'; it has i, f, g, o, c, h"):
        change(GRAPHS["lstm"], "forget")


@pytest.mark.parametrize("name", ["lstm", "random 1", "random 2"])
@pytest.mark.parametrize(
    "rewrite",
    [
        with_reset,
        with_lengths,
        lambda g: with_lengths(with_reset(g)),
        lambda g: with_recurrent_mask(g, ("h",)),
        lambda g: with_lengths(with_reset(with_recurrent_mask(g, ("h", "c")))),
        lambda g: with_zoneout(g, (("h", 0.3), ("c", 0.6))),
        lambda g: with_expected_zoneout(g, (("h", 0.3), ("c", 0.6))),
        lambda g: with_lengths(
            with_reset(with_zoneout(with_recurrent_mask(g, ("h",)), (("c", 0.5),)))
        ),
        lambda g: with_clamp(g, "c"),
        lambda g: with_lengths(with_reset(with_clamp(g, "h"))),
    ],
)
def test_derived_gradient_of_a_rewritten_graph_equals_autograd(name, rewrite):
    case = sample(rewrite(GRAPHS[name]), T=3, B=2, **SIZES)
    found = gradients(case.recurrence, case.operands, case.output_gradient, case.state_gradients)
    expected = autograd_gradients(case)
    for kind in ("inputs", "states", "parameters", "givens"):
        for own, value in getattr(found, kind).items():
            wanted = expected[f"{kind} {own}"]
            torch.testing.assert_close(value, wanted, rtol=1e-9, atol=1e-10, msg=f"{kind} {own}")


def test_rewrites_of_one_graph_are_made_once():
    graph = GRAPHS["lstm"]
    assert with_reset(graph) is with_reset(graph)
    assert with_clamp(graph, "f") is with_clamp(graph, "f")


def test_substitute_simplifies_what_becomes_nothing():
    graph = GRAPHS["lstm"]
    f = graph.values["f"]
    shut = substitute(graph, {f: gw.equations.expression.number(0)})
    assert repr(shut.values["c"]) == repr(graph.values["i"] * graph.values["g"])
    opened = substitute(graph, {f: gw.equations.expression.number(1)})
    assert repr(opened.values["c"]).startswith("c + ")


def test_rebuild_without_changes_is_the_same():
    for graph in GRAPHS.values():
        new = rebuild(graph.roots, {})
        assert all(new[node] is node for node in graph.order)


class TestZoneout:
    """Units keep their last value; what a step computes from new states sees the plain ones."""

    @pytest.mark.parametrize("reverse", [False, True])
    @pytest.mark.parametrize("name", GRAPHS)
    def test_by_hand(self, name, reverse):
        case = case_of(name, reverse)
        graph, o = GRAPHS[name], case.operands
        step = random_bits(o.x, T, 1, 1)
        seeds = {f"zoneout_seed_{n}": random_bits(v, *v.shape) for n, v in o.states.items()}
        masks = {n: noise(seeds[f"zoneout_seed_{n}"], step) < 0.4 for n in o.states}
        operands = more(o, {"zoneout_step": step.expand(T, o.x.shape[1], 1)}, seeds)
        outputs = {n for n, v in graph.new_states.items() if v is graph.output}

        def after(t, old, result):
            states = {
                n: torch.where(masks[n][t], old[n], value) for n, value in result.states.items()
            }
            return states, states[outputs.copy().pop()] if outputs else result.output[0]

        assert_same(
            run(with_zoneout(graph, tuple((n, 0.4) for n in graph.states)), operands, reverse),
            by_hand(graph, o, reverse, after=after),
        )

    @pytest.mark.parametrize("name", GRAPHS)
    def test_expectation_by_hand(self, name):
        case = case_of(name)
        graph, o = GRAPHS[name], case.operands
        first, rate = next(iter(graph.states)), 0.3

        def after(_t, old, result):
            mean = rate * old[first] + (1 - rate) * result.states[first]
            plain = graph.output is not graph.new_states[first]
            return {**result.states, first: mean}, result.output[0] if plain else mean

        zoned = with_expected_zoneout(graph, ((first, rate),))
        assert zoned.constants[f"zoneout_{first}"] == rate
        assert_same(run(zoned, o), by_hand(graph, o, False, after=after))

    def test_named_values_are_the_states(self):
        zoned = with_zoneout(GRAPHS["lstm"], (("h", 0.5), ("c", 0.5)))
        assert all(zoned.values[n] is zoned.new_states[n] for n in ("h", "c"))
        assert zoned.output is zoned.new_states["h"]
        assert zoned.values["f"] is GRAPHS["lstm"].values["f"]

    def test_unknown_state(self):
        for change in (
            lambda: with_zoneout(GRAPHS["lstm"], (("z", 0.5),)),
            lambda: with_expected_zoneout(GRAPHS["lstm"], (("z", 0.5),)),
        ):
            with pytest.raises(EquationError, match="no state z; its states: h, c"):
                change()


@pytest.mark.parametrize(
    ("name", "matrices"),
    [
        ("lstm", {"U.i", "U.f", "U.g", "U.o"}),
        ("gru_original", {"U.r", "U.z", "U.n"}),  # U.n @ (r * h)
        ("mut3", {"U.r", "U.z", "U.n"}),  # U.z @ tanh(h)
        ("lstm_projection", {"U.i", "U.f", "U.g", "U.o"}),  # not R @ (o * tanh(c))
        ("antisymmetric", {"U.h"}),  # (U - U.T) @ h
        ("indrnn", set()),
        ("sru", set()),
    ],
)
def test_recurrent_matrices(name, matrices):
    assert set(recurrent_matrices(gw.cells.get(name).graph)) == matrices
