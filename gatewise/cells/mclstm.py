"""Memory-controller LSTM: Ben-Ari & Shwartz-Ziv (2017), NIPS Time Series Workshop.

Two outputs instead of one: h goes to the layer above only, and a control vector v, with a gate m of
its own, is what the gates see at the next step (a split borrowed from the differentiable neural
computer). The paper's candidate n is called g here. Not the mass-conserving MC-LSTM of Hoedt et al.
(2021).
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("v", "c"), output="h")
def mclstm(x, v, c):
    i = sigmoid(W.i @ x + U.i @ v + b.i)  # input gate
    f = sigmoid(W.f @ x + U.f @ v + b.f)  # forget gate
    g = tanh(W.g @ x + U.g @ v + b.g)  # candidate
    o = sigmoid(W.o @ x + U.o @ v + b.o)  # output gate
    m = sigmoid(W.m @ x + U.m @ v + b.m)  # control gate
    c = f * c + i * g  # cell state
    v = m * tanh(c)  # control vector
    h = o * tanh(c)  # output
    return dict(i=i, f=f, g=g, o=o, m=m, c=c, v=v, h=h)
