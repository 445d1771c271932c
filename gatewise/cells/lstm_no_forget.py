"""LSTM without forget gate: Hochreiter & Schmidhuber (1997), Neural Computation 9(8), 1735-1780.

The cell state only ever adds up, so it must be reset between sequences. The paper squashes with
logistic functions scaled to [-2, 2] (candidate) and [-1, 1] (output), 2 tanh(a/2) and tanh(c/2);
everyone since, torchrecurrent too, writes tanh. The paper also wires gates to gates and has several
cells per block; that is left out, as in Gers et al. (2000). Greff et al.'s (2017) variant without
forget gate has peepholes besides.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h", "c"))
def lstm_no_forget(x, h, c):
    i = sigmoid(W.i @ x + U.i @ h + b.i)  # input gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    o = sigmoid(W.o @ x + U.o @ h + b.o)  # output gate
    c = c + i * g  # cell state: the constant error carousel
    h = o * tanh(c)  # hidden state
    return dict(i=i, g=g, o=o, c=c, h=h)
