"""Strongly-typed RNN: Balduzzi & Ghifary (2016), arXiv:1602.02218.

Nothing is multiplied by a recurrent matrix: h is a running mean of z, weighted by gates that see
the input alone. z has no bias in the paper; torchrecurrent 0.2.5 gives it one.
"""

from gatewise.equations import W, b, cell, sigmoid


@cell(states=("h",))
def t_rnn(x, h):
    z = W.z @ x  # typed input
    f = sigmoid(W.f @ x + b.f)  # forget gate
    h = f * h + (1 - f) * z  # hidden state
    return dict(z=z, f=f, h=h)
