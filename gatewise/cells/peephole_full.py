"""Peephole LSTM with full matrices: Olah (2015), "Understanding LSTM Networks", section variants.

The article puts the whole cell state beside h and x in every gate: f = σ(W [c, h, x] + b), so that
each gate sees all units through a matrix V. Gers & Schmidhuber (2000) connect a gate only to the
cells of its own memory block; with one cell per block that is `peephole`. As there, i and f see the
cell state of the last step, o the new one.
"""

from gatewise.equations import U, V, W, b, cell, sigmoid, tanh


@cell(states=("h", "c"))
def peephole_full(x, h, c):
    i = sigmoid(W.i @ x + U.i @ h + V.i @ c + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + V.f @ c + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    c = f * c + i * g  # cell state
    o = sigmoid(W.o @ x + U.o @ h + V.o @ c + b.o)  # output gate, sees the new cell state
    h = o * tanh(c)  # hidden state
    return dict(i=i, f=f, g=g, c=c, o=o, h=h)
