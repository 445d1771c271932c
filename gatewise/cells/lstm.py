"""Long short-term memory: Hochreiter & Schmidhuber (1997); forget gate, Gers et al. (2000).

Neural Computation 9(8), and "Learning to forget", Neural Computation 12(10), equations 2.1-2.7, in
the form that torch and most articles use: gates see the hidden state, not the cell state.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h", "c"))
def lstm(x, h, c):
    i = sigmoid(W.i @ x + U.i @ h + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    o = sigmoid(W.o @ x + U.o @ h + b.o)  # output gate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return dict(i=i, f=f, g=g, o=o, c=c, h=h)
