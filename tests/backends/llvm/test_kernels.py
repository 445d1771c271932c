"""Kernels of every cell equal the reference, forwards and backwards."""

from __future__ import annotations

import random

import pytest
import torch

import gatewise as gw
from gatewise.equations import (
    U,
    W,
    absolute,
    cell,
    exp,
    layer_norm,
    maximum,
    minimum,
    relu,
    sqrt,
    tanh,
    where,
)
from gatewise.equations.rewrite import with_clamp, with_lengths, with_recurrent_mask, with_reset
from tests.backends.llvm.comparison import (
    LLVM,
    REFERENCE,
    assert_equal,
    assert_float32_equals_reference,
    assert_float64_equals_reference,
    changed,
    inference,
    moderate,
    training,
)
from tests.backends.llvm.processors import runs_here
from tests.random_cells import random_graph
from tests.recurrences import sample

CELLS = gw.cells.names()

IMPORTANT = (
    *("lstm", "gru", "rnn", "peephole_full", "lstm_projection", "lstm_layer_norm"),
    *("lstm_multiplicative", "rhn", "gru_d", "slstm", "nas"),
)
"""One of each kind of kernel: second phases, reductions, further states, many gates."""

TAILS = (
    dict(T=6, B=7, I=9, H=33, P=17),
    dict(T=5, B=13, I=40, H=16, P=5),
    dict(T=9, B=1, I=1, H=3, P=2),
)
"""Sizes that fill no tile and no vector: a row too many, a unit too many, or hardly any."""

FEW_ROWS = (2, 2)
"""Steps and sequences: so few that weights are multiplied where they lie."""


def graph_of(name: str):
    return gw.cells.get(name).graph


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_equals_the_reference_in_float64(name):
    reverse = CELLS.index(name) % 2 == 1
    for T, B in ((4, 3), FEW_ROWS):
        case = moderate(graph_of(name), T=T, B=B, I=5, H=19, P=7, reverse=reverse)
        assert_float64_equals_reference(case)


@pytest.mark.parametrize("sizes", TAILS, ids=lambda s: f"{s['I']}x{s['H']}")
@pytest.mark.parametrize("name", IMPORTANT)
def test_important_cells_equal_the_reference_in_float32(name, sizes):
    assert_float32_equals_reference(moderate(graph_of(name), **sizes))
    few = dict(zip("TB", FEW_ROWS, strict=True))
    assert_float32_equals_reference(moderate(graph_of(name), **{**sizes, **few}))


@pytest.mark.parametrize("cpu", ["x86-64-v2", "x86-64-v3"])
@pytest.mark.parametrize("name", ["lstm", "gru_original", "lstm_layer_norm"])
def test_kernels_for_other_processors(name, cpu, monkeypatch):
    if not runs_here(cpu):
        pytest.skip(f"this processor cannot run {cpu}")
    monkeypatch.setenv("GATEWISE_CPU", cpu)
    for T, B in ((4, 7), FEW_ROWS):
        assert_float32_equals_reference(moderate(graph_of(name), T=T, B=B, I=5, H=19))
    if cpu == "x86-64-v2":  # no fused multiplication and addition, and two numbers a vector
        assert_float64_equals_reference(moderate(graph_of(name), T=4, B=7, I=5, H=19))


def test_one_unit_one_sequence_one_step():
    for name in ("lstm", "gru_original"):
        case = moderate(graph_of(name), T=1, B=1, I=1, H=1)
        assert_float64_equals_reference(case)


@pytest.mark.parametrize("seed", range(4))
def test_random_equations_of_every_primitive(seed):
    assert_float64_equals_reference(moderate(random_graph(seed), T=3, B=5, I=6, H=10, P=4))


@cell(states="h")
def norm_then_product(x, h):
    n = layer_norm(h)
    h = tanh(U.a @ n + W.a @ layer_norm(x))
    return dict(n=n, h=h)


def test_a_norm_that_a_matrix_multiplies():
    assert_float64_equals_reference(moderate(norm_then_product.graph, T=3, B=2, I=6, H=10))


@cell(states="h")
def switched(x, h, *, rate=0.7):
    h = where((x < h) | (rate < 0.5), tanh(U.a @ h), h)
    return dict(h=h)


def test_a_condition_of_constants():
    assert_float64_equals_reference(moderate(switched.graph, T=3, B=2, I=10, H=10))


REWRITES = {
    "reset": with_reset,
    "lengths": with_lengths,
    "mask": lambda graph: with_recurrent_mask(graph, ("h",)),
    "clamp": lambda graph: with_clamp(graph, "h"),
    "all": lambda graph: with_lengths(
        with_reset(with_recurrent_mask(with_clamp(graph, "h"), ("h",)))
    ),
}


@pytest.mark.parametrize("rewrite", ["lengths", "all"])
def test_rewritten_cells_equal_the_reference(rewrite):
    graph = REWRITES[rewrite](graph_of("gru"))
    assert_float64_equals_reference(moderate(graph, T=6, B=5, I=4, H=11))


def strided(value: torch.Tensor) -> torch.Tensor:
    room = value.new_zeros([n + 1 for n in value.shape] + [3])
    inside = room[tuple(slice(1, None) for _ in value.shape)][..., 1]
    return inside.copy_(value)


def transposed(value: torch.Tensor) -> torch.Tensor:
    return value.transpose(0, -1).contiguous().transpose(0, -1) if value.dim() else value


def misaligned(value: torch.Tensor) -> torch.Tensor:
    return value.new_empty(value.numel() + 1)[1:].view(value.shape).copy_(value)


@pytest.mark.parametrize("placed", [strided, transposed, misaligned])
def test_strides_and_alignment_change_no_bit(placed):
    # this cell has matrices, vectors, two states, two inputs and givens
    case = moderate(with_reset(graph_of("peephole")), T=5, B=6, I=7, H=10)
    moved = changed(case, placed)
    assert_equal(training(LLVM, moved), training(LLVM, case), 0)
    assert_equal(inference(LLVM, moved), inference(LLVM, case), 0)


def test_an_input_that_is_expanded():
    case = moderate(graph_of("lstm"), T=5, B=6, I=7, H=10)
    x = case.operands.x[:1, :1]
    expanded = changed(case, lambda value: x.expand(5, 6, 7) if value is case.operands.x else value)
    whole = changed(expanded, torch.Tensor.contiguous)
    assert_equal(training(LLVM, expanded), training(LLVM, whole), 0)


@cell(states="h")
def choosing(x, h):
    a = relu(x + h)
    m = maximum(x, h) - minimum(h, x)
    w = where(x < h, x, h) + where(x <= h, h, x)
    e = exp(-absolute(x)) + sqrt(absolute(x))
    h = 0.5 * a + m + w + e
    return dict(h=h)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=["float32", "float64"])
def test_nan_and_infinity_pass_through_choices_as_in_torch(dtype):
    case = changed(sample(choosing.graph, T=1, B=5, H=11), lambda value: value.to(dtype))
    special = torch.tensor([float("nan"), float("inf"), -float("inf"), 0.0, -0.0], dtype=dtype)
    case.operands.inputs["x"][0] = special[:, None]
    case.operands.states["h"][:, :5] = special
    found, expected = inference(LLVM, case), inference(REFERENCE, case)
    torch.testing.assert_close(found, expected, equal_nan=True)
    assert expected["y"].isnan().any()
    assert expected["y"].isinf().any()


def test_one_bad_sequence_leaves_the_others_alone():
    case = moderate(graph_of("lstm"), T=5, B=6, I=7, H=10)
    clean = inference(LLVM, case)
    case.operands.inputs["x"][2, 4] = float("nan")
    spoilt = inference(LLVM, case)
    others = [0, 1, 2, 3, 5]
    assert torch.equal(spoilt["y"][:, others], clean["y"][:, others])
    assert spoilt["y"][2:, 4].isnan().all()
    assert torch.equal(spoilt["y"][:2, 4], clean["y"][:2, 4])


def test_a_constant_is_read_at_every_call_not_compiled():
    graph = gw.cells.get("cornn").graph
    name, value = next(iter(graph.constants.items()))
    other = gw.cells.get("cornn").with_constants(**{name: 0.5 * value}).graph
    for each in (graph, other):
        assert_float64_equals_reference(moderate(each, T=3, B=2, I=5, H=19, P=7))


def random_sizes(generator: random.Random) -> dict[str, int]:
    sizes = {name: generator.randint(1, 200) for name in ("I", "H", "P")}
    return {**sizes, "B": generator.randint(1, 40), "T": generator.randint(1, 50)}


@pytest.mark.slow
@pytest.mark.parametrize("name", CELLS)
def test_random_sizes(name):
    generator = random.Random(name)
    for reverse in (False, True):
        case = moderate(graph_of(name), reverse=reverse, **random_sizes(generator))
        assert_float64_equals_reference(case)
        case = moderate(graph_of(name), reverse=not reverse, **random_sizes(generator))
        assert_float32_equals_reference(case)


@pytest.mark.slow
@pytest.mark.parametrize("rewrite", REWRITES)
@pytest.mark.parametrize("name", IMPORTANT)
def test_every_rewrite_of_important_cells(name, rewrite):
    graph = REWRITES[rewrite](graph_of(name))
    assert_float64_equals_reference(moderate(graph, T=7, B=9, I=6, H=21, P=7))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(4, 64))
def test_many_random_equations(seed):
    reverse = seed % 2 == 1
    graph = random_graph(seed, operations=14, detached=seed % 3 == 0)
    assert_float64_equals_reference(moderate(graph, T=4, B=5, I=6, H=10, P=4, reverse=reverse))
