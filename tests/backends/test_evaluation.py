"""Every primitive as a torch operation: extreme arguments, dtypes, shapes."""

from __future__ import annotations

import math

import pytest
import torch

from gatewise.backends.evaluation import LEAVES, TORCH, Plan, constants, run
from gatewise.equations import (
    U,
    W,
    block_diagonal,
    exp,
    layer_norm,
    log,
    s,
    sigmoid,
    softplus,
    sqrt,
    tanh,
    where,
)
from gatewise.equations.document import SIGNATURES
from gatewise.equations.expression import constant_leaf, input_leaf
from gatewise.equations.symbol import topological

x, y = input_leaf("x"), input_leaf("y")


def evaluate(root, **given):
    """The value of an expression for these leaves, by their last names."""
    plan, order = Plan(), topological([root])
    instructions = plan.instructions(order, ())
    slots = [plan.slot(node) for node in order]
    values = plan.values()
    like = next(iter(given.values()))
    known = constants(order, {"rate": 0.5}, like)
    for node, slot in zip(order, slots, strict=True):
        if node.operation in ("number", "constant"):
            values[slot] = known[node]
        elif node.operation in LEAVES:
            values[slot] = given[node.attributes[-1]]
    run(instructions, values)
    return values[plan.slots[root]]


def test_every_operation_has_its_row():
    special = {"product", "layer_norm", "block_diagonal"}
    leaves = {"input", "given", "state", "constant", "number"}
    assert set(SIGNATURES) - set(TORCH) - special == leaves


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_softplus_is_exact_far_from_zero(dtype):
    values = torch.tensor([-200.0, -50.0, -1.0, 0.0, 1.0, 15.0, 25.0, 61.0, 1000.0], dtype=dtype)
    exact = [max(v, 0.0) + math.log1p(math.exp(-abs(v))) for v in values.tolist()]
    found = evaluate(softplus(x), x=values)
    # relative: small values count as much as large ones
    torch.testing.assert_close(
        found, torch.tensor(exact, dtype=dtype), rtol=8 * torch.finfo(dtype).eps, atol=0.0
    )


@pytest.mark.parametrize(
    ("root", "expected"),
    [
        (sigmoid(x), [0.0, 0.5, 1.0]),
        (tanh(x), [-1.0, 0.0, 1.0]),
        (exp(x), [0.0, 1.0, math.inf]),
        (softplus(x), [0.0, math.log(2), 1000.0]),
    ],
)
def test_saturated(root, expected):
    found = evaluate(root, x=torch.tensor([-1000.0, 0.0, 1000.0]))
    torch.testing.assert_close(found, torch.tensor(expected))


def test_outside_their_domain_they_are_as_in_torch():
    values = torch.tensor([-1.0, 0.0])
    assert evaluate(log(x), x=values).isnan().tolist() == [True, False]
    assert evaluate(sqrt(x), x=values).isnan().tolist() == [True, False]


def test_where_takes_numbers_and_vectors():
    found = evaluate(
        where(x < y, 1.0, y * constant_leaf("rate")),
        x=torch.zeros(2, 3),
        y=torch.tensor([[1.0, -1.0, 0.0]] * 2),
    )
    assert found.tolist() == [[1.0, -0.5, 0.0]] * 2


def test_layer_norm_of_parts_equals_that_of_their_concatenation():
    a, c = torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    joined = torch.nn.functional.layer_norm(torch.cat([a, c], -1), (5,))
    first, second = layer_norm(x, y)
    torch.testing.assert_close(evaluate(first, x=a, y=c), joined[:, :3])
    torch.testing.assert_close(evaluate(second, x=a, y=c), joined[:, 3:])
    torch.testing.assert_close(
        evaluate(layer_norm(x, epsilon=0.5), x=a), torch.nn.functional.layer_norm(a, (3,), eps=0.5)
    )


def test_layer_norm_of_a_learned_scalar_beside_a_vector():
    a = torch.randn(5, 3)
    found = evaluate(layer_norm(x, s.k)[0], x=a, k=torch.tensor(2.0))
    joined = torch.cat([a, torch.full((5, 1), 2.0)], -1)
    torch.testing.assert_close(found, torch.nn.functional.layer_norm(joined, (4,))[:, :3])


def test_block_diagonal_matrix():
    stored = torch.arange(8.0).reshape(4, 2)
    full = torch.tensor([[0.0, 1, 0, 0], [2, 3, 0, 0], [0, 0, 4, 5], [0, 0, 6, 7]])
    vector = torch.randn(3, 4)
    root = block_diagonal(U.h, 2)
    torch.testing.assert_close(evaluate(root @ x, x=vector, h=stored), vector @ full.T)
    torch.testing.assert_close(evaluate(root.T @ x, x=vector, h=stored), vector @ full)


def test_products_of_one_vector_become_one_call():
    products = (W.a @ x, W.b @ x)
    plan = Plan()
    order = topological(products)
    stack = plan.stacks([products])
    body = plan.instructions(order, [products])
    assert (len(stack), len(body)) == (1, 1)
    a, c, vector = torch.randn(2, 3), torch.randn(4, 3), torch.randn(5, 3)
    values = plan.values()
    for node, value in ((W.a, a), (W.b, c), (x, vector)):
        values[plan.slots[node]] = value
    run([*stack, *body], values)
    torch.testing.assert_close(values[plan.slots[products[0]]], vector @ a.T)
    torch.testing.assert_close(values[plan.slots[products[1]]], vector @ c.T)
