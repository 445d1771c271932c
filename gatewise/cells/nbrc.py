"""Neuromodulated bistable recurrent cell: Vecoven, Ernst & Drion (2021), PLOS ONE 16(6).

As `brc`, but other units set the feedback strength a and the update gate c of a unit through full
matrices; memory itself stays within the unit (arXiv:2006.05252). The paper's equations show no
biases; the authors' code has them for a and c, as here. torchrecurrent 0.2.5 has a bias in the
candidate too.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",), initial={"b": 0.0})
def nbrc(x, h):
    a = 1 + tanh(W.a @ x + U.a @ h + b.a)  # feedback strength, bistable above 1
    c = sigmoid(W.c @ x + U.c @ h + b.c)  # update gate
    n = tanh(W.n @ x + a * h)  # candidate
    h = c * h + (1 - c) * n  # hidden state
    return dict(a=a, c=c, n=n, h=h)
