"""Recurrent additive network: Lee, Levy & Zettlemoyer (2017), arXiv:1705.07393.

The cell state is a weighted sum of linear images of the inputs: the content g sees no state, has no
activation and, as in the authors' code, no bias. The paper allows the output to be c itself
instead of tanh(c): ``constants={"linear": True}``.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h", "c"))
def ran(x, h, c, *, linear=False):
    i = sigmoid(W.i @ x + U.i @ h + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + b.f)  # forget gate
    g = W.g @ x  # content
    c = i * g + f * c  # cell state
    h = c if linear else tanh(c)  # hidden state
    return dict(i=i, f=f, g=g, c=c, h=h)
