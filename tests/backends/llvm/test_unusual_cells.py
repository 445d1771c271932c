"""Cells that the language allows and no catalogue has: unread states, copies, constant results."""

from __future__ import annotations

import pytest

from gatewise.equations import (
    U,
    V,
    W,
    b,
    cell,
    detach,
    mean,
    p,
    s,
    sigmoid,
    tanh,
    total,
    where,
)
from tests.backends.llvm.comparison import assert_float64_equals_reference, moderate


@cell(states=("h", "c"))
def unread(x, h, c):
    h = tanh(U.a @ h + W.x @ x)
    return dict(h=h, c=0.5 * h)


@cell(states=("h", "c"))
def read_by_a_condition(x, h, c):
    h = where(c < 0.1, tanh(U.a @ h + W.x @ x), h)
    return dict(h=h, c=0.5 * h)


@cell(states=("h", "c"))
def detached(x, h, c):
    h = tanh(U.a @ h + W.x @ x + detach(c))
    return dict(h=h, c=0.5 * h)


@cell(states=("h", "c"))
def of_weights(x, h, c):
    h = tanh(U.a @ h + W.x @ x + c)
    return dict(h=h, c=b.c * 1)


@cell(states=dict(h="H", k=1))
def counted(x, h, k):
    k = detach(k) + 1
    h = tanh(U.a @ h + W.x @ x) / k
    return dict(h=h, k=k)


@cell(states="h")
def without_recurrence(x, h):
    h = tanh(W.x @ x)
    return dict(h=h)


@cell(states="h")
def copy_of_the_input(x, h):
    return dict(h=x)


@cell(states=("h", "c"))
def delay(x, h, c):
    return dict(h=c, c=tanh(W.x @ x + c))


@cell(states=("h", "c"))
def exchange(x, h, c):
    return dict(h=c, c=h)


@cell(states=("h", "c"))
def twice_the_same(x, h, c):
    n = tanh(W.x @ x + U.h @ h)
    return dict(h=n, c=n)


@cell(states=("h", "c"))
def keeps_the_last(x, h, c):
    n = tanh(W.x @ x + U.h @ h)
    return dict(h=n, c=h)


@cell(states=("h", "c"), output="y")
def returns_the_input(x, h, c):
    n = tanh(W.x @ x + U.h @ h)
    return dict(h=n, c=n + c, y=x)


@cell(states="h", output="y")
def returns_the_last_state(x, h):
    n = tanh(W.x @ x + U.h @ h)
    return dict(h=n, y=h)


@cell(states="h", output="y")
def returns_a_weight(x, h):
    n = tanh(W.x @ x + U.h @ h)
    return dict(h=n, y=b.y)


@cell(states="h", inputs=dict(x="I", dt=1), output="y")
def returns_one_number(x, dt, h):
    n = tanh(W.x @ x + U.h @ h)
    return dict(h=n, y=dt)


@cell(states="h")
def many_small_steps(x, h):
    h = h + W.x @ x
    for _ in range(100):  # each value is read three times: paths through them are without number
        h = tanh(h + 0.01 * h * h)
    return dict(h=h)


@cell(states="h", output="y")
def returns_a_sum(x, h):
    return dict(h=tanh(W.h @ x) + 0.1 * mean(h), y=total(h) + 0.1 * total(x, h))


@cell(states=dict(h="H", q=3, k=1))
def sums_everywhere(x, h, q, k):
    a = W.a @ x + U.a @ h
    a = a - mean(a)
    n = tanh(a + 0.1 * total(x) + 0.2 * mean(h, q, k) + b.n)
    q = tanh(V.q @ q + 0.3 * total(n))
    k = 0.5 * k + tanh(total(h) + s.k * mean(p.a))
    h = n * sigmoid(total(p.v * h)) + tanh(V.t @ (n - total(n * n)))
    return dict(n=n, q=q, k=k, h=h)


UNUSUAL = (
    *(returns_a_sum, sums_everywhere),
    *(of_weights, exchange, returns_the_input, returns_the_last_state),
    *(returns_a_weight, returns_one_number, many_small_steps),
    *(unread, read_by_a_condition, detached, counted, without_recurrence),
    *(copy_of_the_input, delay, twice_the_same, keeps_the_last),
)


@pytest.mark.parametrize("unusual", UNUSUAL, ids=lambda made: made.name)
def test_it_equals_the_reference(unusual):
    reverse = UNUSUAL.index(unusual) % 2 == 1
    assert_float64_equals_reference(moderate(unusual.graph, T=4, B=3, I=11, H=11, reverse=reverse))
