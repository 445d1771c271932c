"""Gated recurrent unit, reset after the product: Cho et al. (2014), arXiv:1406.1078.

Torch's and cuDNN's form, the "v1" of the paper's first version: the reset gate scales the product
U h (with a bias of its own, b.nh) instead of h itself. `gru_original` is the other form. The state
is (1 - z) n + z h, torch's convention; the paper's equation 7 has the same sign.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def gru(x, h):
    r = sigmoid(W.r @ x + U.r @ h + b.r)  # reset gate
    z = sigmoid(W.z @ x + U.z @ h + b.z)  # update gate
    n = tanh(W.n @ x + b.n + r * (U.n @ h + b.nh))  # candidate
    h = (1 - z) * n + z * h  # hidden state
    return dict(r=r, z=z, n=n, h=h)
