"""LSTM with full gate recurrence: Greff et al. (2017), arXiv:1503.04069, variant FGR.

The paper's vanilla LSTM (`peephole`) whose gates also see all gates of the last step, through nine
further matrices R; the first letter is the gate that is seen. The candidate does not see them.
Hochreiter & Schmidhuber (1997) had these connections; nobody kept them.
"""

from gatewise.equations import R, U, W, b, cell, p, sigmoid, tanh


@cell(states=("h", "c", "i", "f", "o"))
def lstm_full_gate_recurrence(x, h, c, i, f, o):
    seen_i = R.i_i @ i + R.f_i @ f + R.o_i @ o  # last gates, as the input gate sees them
    seen_f = R.i_f @ i + R.f_f @ f + R.o_f @ o  # as the forget gate sees them
    seen_o = R.i_o @ i + R.f_o @ f + R.o_o @ o  # as the output gate sees them
    i = sigmoid(W.i @ x + U.i @ h + p.i * c + seen_i + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + p.f * c + seen_f + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    c = f * c + i * g  # cell state
    o = sigmoid(W.o @ x + U.o @ h + p.o * c + seen_o + b.o)  # output gate
    h = o * tanh(c)  # hidden state
    return dict(i=i, f=f, g=g, c=c, o=o, h=h)
