"""Multiplicative LSTM (mLSTM): Krause, Lu, Murray & Renals (2016), arXiv:1609.07959, section 3.

An intermediate state m, a product of what x and h say, takes the place of h in all gates, so that
every input has a transition of its own. m has no biases, in the paper as here; torchrecurrent 0.2.5
gives each of its two factors one. Some re-implementations of the paper leave out the candidate's
tanh and have h = tanh(o c); the LSTM around m is the usual one here, as in torchrecurrent and in
Radford et al. (2017), arXiv:1704.01444. Not the mLSTM of xLSTM, whose memory is a matrix.
"""

from gatewise.equations import U, V, W, b, cell, sigmoid, tanh


@cell(states=("h", "c"))
def lstm_multiplicative(x, h, c):
    m = (W.m @ x) * (U.m @ h)  # intermediate state
    i = sigmoid(W.i @ x + V.i @ m + b.i)  # input gate
    f = sigmoid(W.f @ x + V.f @ m + b.f)  # forget gate
    g = tanh(W.g @ x + V.g @ m + b.g)  # candidate
    o = sigmoid(W.o @ x + V.o @ m + b.o)  # output gate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return dict(m=m, i=i, f=f, g=g, o=o, c=c, h=h)
