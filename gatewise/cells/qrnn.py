"""Quasi-recurrent network: Bradbury, Merity, Xiong & Socher (2017), arXiv:1611.01576, equation 4.

Width 1, with fo-pooling: gates see the present input alone, and the state is c alone. The paper's
equation 1 shows no biases; the authors' code has them, and names the complement of f the gate.
"""

from gatewise.equations import W, b, cell, sigmoid, tanh


@cell(states=("c",), output="h")
def qrnn(x, c):
    z = tanh(W.z @ x + b.z)  # candidate
    f = sigmoid(W.f @ x + b.f)  # forget gate
    o = sigmoid(W.o @ x + b.o)  # output gate
    c = f * c + (1 - f) * z  # cell state
    h = o * c  # output
    return dict(z=z, f=f, o=o, c=c, h=h)
