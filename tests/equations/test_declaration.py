"""Names that a cell's function gets wrong: each mistake is told with the cell and the mend."""

from __future__ import annotations

import pytest

from gatewise.equations import EquationError, U, W, cell, sigmoid, tanh


def early(x, h):
    h = f * h  # noqa: F821
    f = sigmoid(W.f @ x)
    return dict(h=h, f=f)


def hidden(x, h):
    tanh = tanh(W.h @ x)  # noqa: F823
    return dict(h=tanh)


def misspelt(x, hidden_state):
    return dict(hidden_state=W.h @ x + hiden_state)  # noqa: F821


def unknown(x, h):
    return dict(h=softmax(W.h @ x))  # noqa: F821


def not_imported(x, h):
    return dict(h=softplus(W.h @ x))  # noqa: F821


def letter(x, W):
    return dict(W=tanh(W.h @ x))


def function(x, tanh):
    return dict(tanh=tanh(W.h @ x + U.h @ tanh))


def unchanged(x, h):
    return dict(new=tanh(W.h @ x + U.h @ h), h=h)


def two(x, h, c):
    return dict(h=tanh(W.h @ x + U.h @ h), c=c)


@pytest.mark.parametrize(
    ("function", "options", "says"),
    [
        (early, {}, ["'f' is used before the line", "Compute it first"]),
        (hidden, {}, ["'tanh' is used before", "hides the tanh of gatewise.equations"]),
        (misspelt, dict(states="hidden_state"), ["'hiden_state'", "Did you mean hidden_state?"]),
        (unknown, {}, ["'softmax' is not defined", "gatewise.equations has", "layer_norm"]),
        (not_imported, {}, ["from gatewise.equations import softplus"]),
        (letter, dict(states="W"), ["`W.h`: W is a state of this cell"]),
        (function, dict(states="tanh"), ["tanh is a state of this cell, not a function"]),
        (two, dict(states={"h", "c"}), ["has no order", "states=('h', 'c')"]),
        (two, dict(states="h,c"), ["'h,c' cannot be the name", "states=('h', 'c')"]),
        (unchanged, {}, ["'h' as the last step left it", "never change", "output="]),
    ],
)
def test_mistake_in_a_name_is_explained(function, options, says):
    with pytest.raises(EquationError) as caught:
        cell(function, **options)
    message = str(caught.value)
    assert message.startswith(f"cell {function.__name__!r}: ")
    for part in says:
        assert part in message


def test_lambda_has_no_name():
    with pytest.raises(EquationError, match="a lambda has none; write def"):
        cell(lambda x, h: dict(h=tanh(W.h @ x + U.h @ h)))


def test_state_may_stay_as_it_is_where_another_value_is_returned():
    assert cell(unchanged, output="new").states == ("h",)
    assert cell(two, states=("h", "c")).states == ("h", "c")
