"""Plain recurrent network (ReLU): Le, Jaitly & Hinton (2015), arXiv:1504.00941, section 2.

Torch's `nonlinearity="relu"`. The paper's IRNN starts U as the identity and b as zero:
``gw.Recurrent("rnn_relu", I, H, initial={"U": "identity", "b": 0.0})``.
"""

from gatewise.equations import U, W, b, cell, relu


@cell(states=("h",))
def rnn_relu(x, h):
    h = relu(W.h @ x + U.h @ h + b.h)  # hidden state
    return dict(h=h)
