"""Gated recurrent unit, reset before the product: Cho et al. (2014), arXiv:1406.1078, eq. 5-8.

The published form: the reset gate scales h before the matrix U.n mixes its units, so that a step
has two products after each other; `gru` is torch's form, with the reset after the product. The
paper leaves biases out of its formulas. As in its equation 7, an open update gate z keeps the old
state; Chung et al. (2014), arXiv:1412.3555, turn z round.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def gru_original(x, h):
    r = sigmoid(W.r @ x + U.r @ h + b.r)  # reset gate
    z = sigmoid(W.z @ x + U.z @ h + b.z)  # update gate
    n = tanh(W.n @ x + U.n @ (r * h) + b.n)  # candidate
    h = z * h + (1 - z) * n  # hidden state
    return dict(r=r, z=z, n=n, h=h)
