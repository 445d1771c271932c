"""Residual LSTM: Kim, El-Khamy & Lee (2017), arXiv:1701.03360.

A peephole LSTM with projection, whose output gate also lets the layer's input through: a shortcut
between layers, apart from the one through time. Where I = H, as in all but the first layer, the
paper lets the matrix W.h of the shortcut be the identity: ``constants={"identity": True}``.
torchrecurrent 0.2.5 always has the matrix.
"""

from gatewise.equations import R, U, W, b, cell, p, sigmoid, tanh


@cell(states=("h", "c"))
def lstm_residual(x, h, c, *, identity=False):
    i = sigmoid(W.i @ x + U.i @ h + p.i * c + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + p.f * c + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    c = f * c + i * g  # cell state
    o = sigmoid(W.o @ x + U.o @ h + p.o * c + b.o)  # output gate
    m = R.h @ tanh(c)  # projected cell output
    shortcut = x if identity else W.h @ x
    h = o * (m + shortcut)  # hidden state
    return dict(i=i, f=f, g=g, c=c, o=o, m=m, h=h)
