"""Mutated unit 2: Jozefowicz, Zaremba & Sutskever (2015), ICML.

z close to one takes the candidate: the opposite of torch's GRU. The reset gate adds x itself,
without a matrix, so the input must be as large as the state. ``constants={"project": True}`` puts
a matrix there, which lifts the limit; it is what torchrecurrent 0.2.5 always does.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def mut2(x, h, *, project=False):
    z = sigmoid(W.z @ x + U.z @ h + b.z)  # update gate
    r = sigmoid((W.r @ x if project else x) + U.r @ h + b.r)  # reset gate
    n = tanh(W.n @ x + U.n @ (r * h) + b.n)  # candidate
    h = n * z + h * (1 - z)  # hidden state
    return dict(z=z, r=r, n=n, h=h)
