"""Strongly-typed GRU: Balduzzi & Ghifary (2016), arXiv:1602.02218.

Everything but the last sum sees this input and the one before, which is a state of the input's
size, x_last. As in the paper, h adds z o without a coupled gate, so f near one sums up.
"""

from gatewise.equations import V, W, b, cell, sigmoid, tanh


@cell(states=dict(h="H", x_last="I"))
def t_gru(x, h, x_last):
    z = V.z @ x_last + W.z @ x + b.z  # typed input
    f = sigmoid(V.f @ x_last + W.f @ x + b.f)  # forget gate
    o = tanh(V.o @ x_last + W.o @ x + b.o)  # output gate
    h = f * h + z * o  # hidden state
    return dict(z=z, f=f, o=o, h=h, x_last=x)
