"""Plain recurrent network (tanh): Elman (1990), Cognitive Science 14(2)."""

from gatewise.equations import U, W, b, cell, tanh


@cell(states=("h",))
def rnn(x, h):
    h = tanh(W.h @ x + U.h @ h + b.h)  # hidden state
    return dict(h=h)
