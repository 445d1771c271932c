"""JANET, the forget gate alone: van der Westhuizen & Lasenby (2018), arXiv:1804.04849.

The paper's cell state c and hidden state h are the same, so h is the only state here. The constant
beta lets in more than the forget gate frees; the paper finds 1 best, 0 couples the two. The forget
bias starts at 1 as in the authors' code; the paper recommends the layer's option ``chrono=T_max``.

torchrecurrent 0.2.5 carries c as a second state, which always equals h, and learns beta.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",), initial={"b.f": 1.0, "b.g": 0.0})
def janet(x, h, *, beta=1.0):
    s = W.f @ x + U.f @ h + b.f  # what the forget gate sees
    f = sigmoid(s)  # forget gate
    i = sigmoid(beta - s)  # input gate, the paper's 1 - sigmoid(s - beta)
    g = tanh(W.g @ x + U.g @ h + b.g)  # candidate
    h = f * h + i * g  # hidden state
    return dict(f=f, i=i, g=g, h=h)
