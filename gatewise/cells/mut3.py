"""Mutated unit 3: Jozefowicz, Zaremba & Sutskever (2015), ICML.

A GRU whose update gate sees tanh(h) instead of h. z close to one takes the candidate: the opposite
of torch's GRU.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def mut3(x, h):
    z = sigmoid(W.z @ x + U.z @ tanh(h) + b.z)  # update gate
    r = sigmoid(W.r @ x + U.r @ h + b.r)  # reset gate
    n = tanh(W.n @ x + U.n @ (r * h) + b.n)  # candidate
    h = n * z + h * (1 - z)  # hidden state
    return dict(z=z, r=r, n=n, h=h)
