"""Minion recurrent unit 1: Zyarah & Kudithipudi (2025), arXiv:2503.06175.

A GRU whose update gate is a constant, the update coefficient lamda (the paper's λ): near 1 the
state changes slowly. The paper leaves it to the task; 0.5 is torchrecurrent 0.2.5's default.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def miru1(x, h, *, lamda=0.5):
    r = sigmoid(W.r @ x + U.r @ h + b.r)  # reset gate
    n = tanh(W.n @ x + U.n @ (r * h) + b.n)  # candidate
    h = lamda * h + (1 - lamda) * n  # hidden state
    return dict(r=r, n=n, h=h)
