"""Bistable recurrent cell: Vecoven, Ernst & Drion (2021), PLOS ONE 16(6), arXiv:2006.05252.

Every unit is one memory: it feeds back on itself alone, with a strength a between 0 and 2; above 1
the unit is bistable and remembers for ever. The paper's equations show no biases; the authors' code
has them for a and c, as here, and starts the feedback weights of both at 1. torchrecurrent 0.2.5
has a bias in the candidate too.
"""

from gatewise.equations import W, b, cell, p, sigmoid, tanh


@cell(states=("h",), initial={"p": 1.0, "b": 0.0})
def brc(x, h):
    a = 1 + tanh(W.a @ x + p.a * h + b.a)  # feedback strength, bistable above 1
    c = sigmoid(W.c @ x + p.c * h + b.c)  # update gate
    n = tanh(W.n @ x + a * h)  # candidate
    h = c * h + (1 - c) * n  # hidden state
    return dict(a=a, c=c, n=n, h=h)
