"""LSTM with projection: Sak, Senior & Beaufays (2014), arXiv:1402.1128, equations 1-6.

A matrix R shrinks the hidden state from H to P units before the gates see it again. The peepholes
of the paper are left out, as in torch's `proj_size`. P is as large as H where it is not given.
"""

from gatewise.equations import R, U, W, b, cell, sigmoid, tanh


@cell(states=dict(h="P", c="H"))
def lstm_projection(x, h, c):
    i = sigmoid(W.i @ x + U.i @ h + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    o = sigmoid(W.o @ x + U.o @ h + b.o)  # output gate
    c = f * c + i * g  # cell state
    h = R.h @ (o * tanh(c))  # projected hidden state
    return dict(i=i, f=f, g=g, o=o, c=c, h=h)
