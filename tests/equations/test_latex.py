"""Formulas: exact for the cells that everybody knows, well formed for all."""

from __future__ import annotations

import re

import pytest
from matplotlib.mathtext import MathTextParser

import gatewise as gw
from gatewise.equations import (
    R,
    U,
    W,
    b,
    block_diagonal,
    cell,
    detach,
    exp,
    layer_norm,
    mean,
    p,
    relu,
    s,
    sigmoid,
    tanh,
    total,
    where,
)
from gatewise.equations.latex import to_latex
from gatewise.equations.plain import to_plain

CELLS = gw.cells.names()
CASES = re.compile(
    r"\\begin\{cases\} (.*?) & \\text\{if \} (.*?) \\\\ (.*?) & \\text\{otherwise\} \\end\{cases\}"
)


def lines(graph) -> list[str]:
    text = to_latex(graph)
    head, *inside, end = text.split("\n")
    assert (head, end) == (r"\begin{aligned}", r"\end{aligned}")
    assert all(line.endswith(r" \\") for line in inside[:-1])
    return [line.removesuffix(r" \\") for line in inside]


def test_lstm():
    assert lines(gw.cells.lstm.graph) == [
        r"i_{t} &= \sigma\left(W_{i} x_{t} + U_{i} h_{t-1} + b_{i}\right)",
        r"f_{t} &= \sigma\left(W_{f} x_{t} + U_{f} h_{t-1} + b_{f}\right)",
        r"g_{t} &= \tanh\left(W_{g} x_{t} + U_{g} h_{t-1} + b_{g}\right)",
        r"o_{t} &= \sigma\left(W_{o} x_{t} + U_{o} h_{t-1} + b_{o}\right)",
        r"c_{t} &= f_{t} \odot c_{t-1} + i_{t} \odot g_{t}",
        r"h_{t} &= o_{t} \odot \tanh\left(c_{t}\right)",
    ]


def test_gru():
    assert lines(gw.cells.gru.graph) == [
        r"r_{t} &= \sigma\left(W_{r} x_{t} + U_{r} h_{t-1} + b_{r}\right)",
        r"z_{t} &= \sigma\left(W_{z} x_{t} + U_{z} h_{t-1} + b_{z}\right)",
        r"n_{t} &= \tanh\left(W_{n} x_{t} + b_{n} + r_{t} \odot "
        r"\left(U_{n} h_{t-1} + b_{nh}\right)\right)",
        r"h_{t} &= \left(1 - z_{t}\right) \odot n_{t} + z_{t} \odot h_{t-1}",
    ]


def test_peephole():
    found = lines(gw.cells.peephole.graph)
    assert (
        r"i_{t} &= \sigma\left(W_{i} x_{t} + U_{i} h_{t-1} + p_{i} \odot c_{t-1} + b_{i}\right)"
        in (found)
    )
    # the output gate sees the new cell state
    assert (
        r"o_{t} &= \sigma\left(W_{o} x_{t} + U_{o} h_{t-1} + p_{o} \odot c_{t} + b_{o}\right)"
        in (found)
    )


@cell(states=("h", "m"))
def odd(x, h, m, *, dt=1e-5):
    a_hat = relu(block_diagonal(U["h", 2], 4) @ h + W.a @ x) ** 2
    shared = tanh((R.h - R.h.T) @ h + s.gamma * h - (-b.q))
    m = detach(where((h > 0.5) & ~(m <= 1), shared, dt * m / (shared + 1)))
    h = h - shared * a_hat
    return {"a_hat": a_hat, "m": m, "h": h}


def test_everything_else_that_the_language_has():
    assert lines(odd.graph) == [
        r"\hat{a}_{t} &= \mathrm{ReLU}\left(U_{h,2} h_{t-1} + W_{a} x_{t}\right)^{2}",
        r"a_{t} &= \tanh\left(\left(R_{h} - R_{h}^{\top}\right) h_{t-1} + s_{\gamma} \, h_{t-1}"
        r" + b_{q}\right)",
        r"m_{t} &= \operatorname{stopgrad}\left(\begin{cases} a_{t} & \text{if } 0.5 < h_{t-1} "
        r"\wedge \neg \left(m_{t-1} \le 1\right) \\ \frac{dt \, m_{t-1}}{a_{t} + 1} & "
        r"\text{otherwise} \end{cases}\right)",
        r"h_{t} &= h_{t-1} - a_{t} \odot \hat{a}_{t}",
        r"& U_{h,2} \text{ block-diagonal, 4 blocks}",
    ]


def test_constants_are_named_and_numbers_short():
    @cell
    def decay(x, h, *, dt=0.25):
        h = (1 - dt) * h + 1e-5 * sigmoid(W.h @ x)
        return {"h": h}

    assert lines(decay.graph) == [
        r"h_{t} &= \left(1 - dt\right) \, h_{t-1} + 10^{-5} \, \sigma\left(W_{h} x_{t}\right)"
    ]


def test_brackets_follow_the_order_of_operations():
    @cell
    def bracketed(x, h):
        h = h - (x - (h + x)) + h * (x * h) / (x / h) + (-h) * x - (h - x) * -0.5
        return {"h": h}

    assert to_plain(bracketed.graph) == [
        (
            "hₜ",
            "hₜ₋₁ - (xₜ - (hₜ₋₁ + xₜ)) + hₜ₋₁ ⊙ xₜ ⊙ hₜ₋₁ / (xₜ / hₜ₋₁) - hₜ₋₁ ⊙ xₜ"
            " + 0.5·(hₜ₋₁ - xₜ)",
        )
    ]


def test_a_minus_stands_before_a_whole_product():
    @cell(states=("h", "c"))
    def signed(x, h, c):
        h = tanh(-(W.a @ x) * h + (-b.k) * c)
        c = h - (-c) * p.c * x + (-x) * (-p.c) + U.c @ (-h * x)
        return dict(h=h, c=c)

    assert to_plain(signed.graph) == [
        ("hₜ", "tanh(-W_a xₜ ⊙ hₜ₋₁ - b_k ⊙ cₜ₋₁)"),
        ("cₜ", "hₜ + cₜ₋₁ ⊙ p_c ⊙ xₜ + xₜ ⊙ p_c + U_c (-hₜ ⊙ xₜ)"),
    ]


def test_sums_and_means_over_units():
    @cell
    def summed(x, h):
        return dict(h=(total(h * x) + mean(h, x)) * h)

    assert to_plain(summed.graph) == [
        ("hₜ", "(sum(hₜ₋₁ ⊙ xₜ) + sum(hₜ₋₁, xₜ) / dim(hₜ₋₁, xₜ))·hₜ₋₁")
    ]
    assert r"\mathrm{sum}\left(h_{t-1} \odot x_{t}\right)" in to_latex(summed.graph)
    assert r"{\dim\left(h_{t-1}, x_{t}\right)}" in to_latex(summed.graph)


def test_a_norm_of_several_values_is_one_line():
    @cell
    def normed(x, h):
        q, k = layer_norm(U.q @ h, U.k @ h)
        h = tanh(q + W.h @ x) * sigmoid(k)
        return {"h": h}

    assert to_plain(normed.graph) == [
        ("a₁ₜ, a₂ₜ", "LN(U_q hₜ₋₁, U_k hₜ₋₁)"),
        ("hₜ", "tanh(a₁ₜ + W_h xₜ) ⊙ σ(a₂ₜ)"),
    ]


@pytest.mark.parametrize("name", CELLS)
def test_every_line_can_be_set(name):
    parser = MathTextParser("path")
    graph = gw.cells.get(name).graph
    for line in lines(graph):
        assert line.count("&") == 1 + line.count(r"\text{if }") + line.count(r"\text{otherwise}")
        flat = CASES.sub(r"\\{\1, \2, \3\\}", line).replace("&", "")
        parser.parse(f"${flat}$")


@pytest.mark.parametrize("name", CELLS)
def test_every_value_has_a_line_of_its_own(name):
    graph = gw.cells.get(name).graph
    left = [line.split(" &=")[0] for line in lines(graph) if "&=" in line]
    assert len(left) == len(set(left)) >= len(graph.values)
    plain = [symbol for symbol, _ in to_plain(graph)]
    assert len(plain) == len(set(plain)) >= len(graph.values)


def test_a_rewritten_graph_has_formulas_too():
    from gatewise.equations.rewrite import with_lengths

    found = to_plain(with_lengths(gw.cells.rnn.graph))
    assert found[-1] == ("h_nextₜ", "where(0.5 < aliveₜ, hₜ, hₜ₋₁)")


def test_letters_of_shared_parts_are_nobody_elses():
    """A line for what several others share once took the symbol of a value called a1."""

    @cell
    def weighted(x, h):
        e1, e2 = exp(tanh(W.e @ x)), exp(tanh(U.e @ h))
        a1 = e1 / (e1 + e2)
        a2 = e2 / (e1 + e2)
        return dict(a1=a1, a2=a2, h=a1 * x + a2 * h)

    assert lines(weighted.graph)[:4] == [
        r"q_{1,t} &= \exp\left(\tanh\left(W_{e} x_{t}\right)\right)",
        r"q_{2,t} &= \exp\left(\tanh\left(U_{e} h_{t-1}\right)\right)",
        r"a_{1,t} &= \frac{q_{1,t}}{q_{1,t} + q_{2,t}}",
        r"a_{2,t} &= \frac{q_{2,t}}{q_{1,t} + q_{2,t}}",
    ]


def test_shared_parts_are_numbered_in_the_order_of_their_lines():
    @cell
    def later(x, h):
        first, second = exp(tanh(W.e @ x)), exp(tanh(U.e @ h))
        n = first / (1 + first)  # computed first, and written last
        return dict(h=n * second * tanh(second), n=n)

    numbers = [line.split(",")[0] for line in lines(later.graph)]
    assert numbers == ["a_{1", "h_{t} &= n_{t} \\odot a_{1", "a_{2", "n_{t} &= \\frac{a_{2"]


def test_greek_letters_may_be_written_as_such():
    @cell(states=("h", "c"), output="ζ1")
    def greek(x, h, c):
        gate = sigmoid(W.ξ @ x + U.λ @ h)
        return dict(ζ1=gate, h=gate * c, c=tanh(c + b.Ω * x))

    assert lines(greek.graph)[:2] == [
        r"\zeta_{1,t} &= \sigma\left(W_{\xi} x_{t} + U_{\lambda} h_{t-1}\right)",
        r"h_{t} &= \zeta_{1,t} \odot c_{t-1}",
    ]
    assert to_latex(greek.graph).isascii()


def test_quotient_that_is_a_factor_stands_in_brackets():
    """On one line, a / b·c looks like a / (b·c)."""

    @cell
    def quotients(x, h):
        return dict(h=(tanh(x) / (1 + h)) * h + x / h, again=x * (h / x))

    (_, h), (_, again) = to_plain(quotients.graph)
    assert h == "(tanh(xₜ) / (1 + hₜ₋₁)) ⊙ hₜ₋₁ + xₜ / hₜ₋₁"
    assert again == "xₜ ⊙ hₜ₋₁ / xₜ"
    assert r"\frac{\tanh\left(x_{t}\right)}{1 + h_{t-1}} \odot h_{t-1}" in to_latex(quotients.graph)
