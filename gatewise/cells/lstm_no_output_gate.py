"""LSTM without output gate: Greff et al. (2017), arXiv:1503.04069, variant NOG (o = 1).

The paper's vanilla LSTM, which has diagonal peepholes (`peephole`), with one part taken away.
"""

from gatewise.equations import U, W, b, cell, p, sigmoid, tanh


@cell(states=("h", "c"))
def lstm_no_output_gate(x, h, c):
    i = sigmoid(W.i @ x + U.i @ h + p.i * c + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + p.f * c + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    c = f * c + i * g  # cell state
    h = tanh(c)  # hidden state, always shown in full
    return dict(i=i, f=f, g=g, c=c, h=h)
