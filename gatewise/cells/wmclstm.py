"""LSTM with working memory connections: Landi et al. (2021), arXiv:2109.00020.

Peepholes that cannot swamp a gate: the cell state passes through a full matrix V and a tanh before
it joins the pre-activation. i and f see it as the last step left it, o the new one. torchrecurrent
0.2.5 has a further bias inside that tanh, and its documentation leaves out the tanh and the
candidate's view of h, which its code has, as the paper does.
"""

from gatewise.equations import U, V, W, b, cell, sigmoid, tanh


@cell(states=("h", "c"))
def wmclstm(x, h, c):
    i = sigmoid(W.i @ x + U.i @ h + tanh(V.i @ c) + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ h + tanh(V.f @ c) + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    c = f * c + i * g  # cell state
    o = sigmoid(W.o @ x + U.o @ h + tanh(V.o @ c) + b.o)  # output gate
    h = o * tanh(c)  # hidden state
    return dict(i=i, f=f, g=g, c=c, o=o, h=h)
