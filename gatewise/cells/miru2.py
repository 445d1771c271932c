"""Minion recurrent unit 2: Zyarah & Kudithipudi (2025), arXiv:2503.06175.

A GRU whose two gates are constants: the update coefficient lamda (the paper's λ) and the reset
coefficient beta. The paper leaves both to the task; 0.5 is the default of torchrecurrent 0.2.5,
which calls beta theta.
"""

from gatewise.equations import U, W, b, cell, tanh


@cell(states=("h",))
def miru2(x, h, *, lamda=0.5, beta=0.5):
    n = tanh(W.n @ x + U.n @ (beta * h) + b.n)  # candidate
    h = lamda * h + (1 - lamda) * n  # hidden state
    return dict(n=n, h=h)
