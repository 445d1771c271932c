"""Minimal gated unit: Zhou, Wu, Zhang & Zhou (2016), arXiv:1603.09420.

One gate does the work of the GRU's two: f scales h inside the candidate, as r does there, and mixes
old and new. Despite its name, f close to one takes the candidate and drops the old state.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def mgu(x, h):
    f = sigmoid(W.f @ x + U.f @ h + b.f)  # forget gate
    n = tanh(W.n @ x + U.n @ (f * h) + b.n)  # candidate
    h = (1 - f) * h + f * n  # hidden state
    return dict(f=f, n=n, h=h)
