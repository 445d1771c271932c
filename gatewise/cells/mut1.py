"""Mutated unit 1: Jozefowicz, Zaremba & Sutskever (2015), ICML.

Found by a search over GRU-like cells. z sees the input alone, and z close to one takes the
candidate: the opposite of torch's GRU. The candidate adds tanh(x) itself, without a matrix, so the
input must be as large as the state. ``constants={"project": True}`` puts a matrix and a bias
before that tanh, which lifts the limit; it is what torchrecurrent 0.2.5 always does.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def mut1(x, h, *, project=False):
    z = sigmoid(W.z @ x + b.z)  # update gate
    r = sigmoid(W.r @ x + U.r @ h + b.r)  # reset gate
    a = tanh(W.a @ x + b.a) if project else tanh(x)  # squashed input
    n = tanh(U.n @ (r * h) + a + b.n)  # candidate
    h = n * z + h * (1 - z)  # hidden state
    return dict(z=z, r=r, a=a, n=n, h=h)
