"""LSTM without input activation: Greff et al. (2017), arXiv:1503.04069, variant NIAF (g linear).

The paper's vanilla LSTM, which has diagonal peepholes (`peephole`), with one part taken away.
"""

from gatewise.equations import U, W, b, cell, p, sigmoid, tanh


@cell(states=("h", "c"))
def lstm_no_input_activation(x, h, c):
    i = sigmoid(W.i @ x + U.i @ h + p.i * c + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + p.f * c + b.f)  # forget gate
    g = W.g @ x + U.g @ h + b.g  # candidate, unbounded
    c = f * c + i * g  # cell state
    o = sigmoid(W.o @ x + U.o @ h + p.o * c + b.o)  # output gate
    h = o * tanh(c)  # hidden state
    return dict(i=i, f=f, g=g, c=c, o=o, h=h)
