"""Addition-subtraction twin-gated network: Zhang, Xiong, Su, Lin & Zhang (2018), arXiv:1810.12546.

Two products per step: the input gate is their sum, the forget gate their difference. The paper
writes no bias; the authors' code gives the state's product one, and so do we. torchrecurrent 0.2.5
has a second one on the input's product p, which here, as in that code, is W x alone.
"""

from gatewise.equations import U, W, b, cell, sigmoid


@cell(states=("h",))
def atr(x, h):
    p = W.p @ x  # what the input says
    q = U.q @ h + b.q  # what the state says
    i = sigmoid(p + q)  # input gate
    f = sigmoid(p - q)  # forget gate
    h = i * p + f * h  # hidden state
    return dict(p=p, q=q, i=i, f=f, h=h)
