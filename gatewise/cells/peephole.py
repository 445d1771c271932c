"""Peephole LSTM: Gers & Schmidhuber (2000), IJCNN; Gers et al. (2002), JMLR 3, 115-143.

Each gate also sees the cell state of its own unit: i and f as the last step left it, o the new one.
Gers et al. leave out the tanh of the output; the form with it is the "vanilla LSTM" of Greff et al.
(2017), arXiv:1503.04069, section II, and the one in use (torchrecurrent has it too). Their variants
of it are `lstm_no_input_gate` and its like; `lstm_no_output_activation` is Gers et al.'s own form.
"""

from gatewise.equations import U, W, b, cell, p, sigmoid, tanh


@cell(states=("h", "c"))
def peephole(x, h, c):
    i = sigmoid(W.i @ x + U.i @ h + p.i * c + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + p.f * c + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    c = f * c + i * g  # cell state
    o = sigmoid(W.o @ x + U.o @ h + p.o * c + b.o)  # output gate, sees the new cell state
    h = o * tanh(c)  # hidden state
    return dict(i=i, f=f, g=g, c=c, o=o, h=h)
