"""LSTM with coupled input and forget gate: Greff et al. (2017), arXiv:1503.04069, variant CIFG.

What is forgotten makes room for what is written: c is a weighted mean of the last cell state and
the candidate. The paper learns i and sets f = 1 - i; Olah (2015), "Understanding LSTM Networks",
learns f and sets i = 1 - f, as here: the same cell with the sign of that gate's weights turned. The
paper's variant has peepholes besides; the article's, and this, has none.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h", "c"))
def lstm_coupled(x, h, c):
    f = sigmoid(W.f @ x + U.f @ h + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    o = sigmoid(W.o @ x + U.o @ h + b.o)  # output gate
    i = 1 - f  # input gate
    c = f * c + i * g  # cell state
    h = o * tanh(c)  # hidden state
    return dict(f=f, g=g, o=o, i=i, c=c, h=h)
