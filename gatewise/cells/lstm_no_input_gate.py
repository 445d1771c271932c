"""LSTM without input gate: Greff et al. (2017), arXiv:1503.04069, variant NIG (i = 1).

The paper's vanilla LSTM, which has diagonal peepholes (`peephole`), with one part taken away.
"""

from gatewise.equations import U, W, b, cell, p, sigmoid, tanh


@cell(states=("h", "c"))
def lstm_no_input_gate(x, h, c):
    f = sigmoid(W.f @ x + U.f @ h + p.f * c + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate, always written in full
    c = f * c + g  # cell state
    o = sigmoid(W.o @ x + U.o @ h + p.o * c + b.o)  # output gate
    h = o * tanh(c)  # hidden state
    return dict(f=f, g=g, c=c, o=o, h=h)
