"""Strongly-typed LSTM: Balduzzi & Ghifary (2016), arXiv:1602.02218, section 3.

The state is only ever averaged with features of the same "type": gates and features see this input
and the last one, through W and V, and never the state, so that everything but the average runs in
parallel. The features z are linear; the output h is no state. The paper leaves the function of o
open (τ); tanh here and in torchrecurrent. Not the time-aware T-LSTM of Baytas et al. (2017).
"""

from gatewise.equations import V, W, b, cell, sigmoid, tanh


@cell(states=dict(c="H", x_last="I"), output="h")
def t_lstm(x, c, x_last):
    z = V.z @ x_last + W.z @ x + b.z  # features
    f = sigmoid(V.f @ x_last + W.f @ x + b.f)  # forget gate
    o = tanh(V.o @ x_last + W.o @ x + b.o)  # output gate
    c = f * c + (1 - f) * z  # cell state: a running average
    h = c * o  # output
    return dict(z=z, f=f, o=o, c=c, h=h, x_last=x)
