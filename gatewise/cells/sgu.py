"""Simple gated unit: Gao & Glowacka (2016), arXiv:1604.02910.

The input enters the candidate by multiplication with the state, so what a zero state takes in is
softplus(0) = log 2 times the gate. The gate's activation is the hard sigmoid of the authors' time,
slope 0.2 (Theano, Keras); torchrecurrent 0.2.5 takes torch's, slope 1/6, and adds a bias to the
product in z_g, where the paper has none.
"""

from gatewise.equations import U, W, b, cell, maximum, minimum, softplus, tanh


@cell(states=("h",))
def sgu(x, h):
    x_g = W.g @ x + b.g  # gate of the state, linear
    z_g = tanh(U.g @ (x_g * h))  # inner gate
    z_out = softplus(z_g * h)  # candidate
    z = minimum(maximum(0.2 * (W.z @ x + U.z @ h + b.z) + 0.5, 0), 1)  # update gate
    h = (1 - z) * h + z * z_out  # hidden state
    return dict(x_g=x_g, z_g=z_g, z_out=z_out, z=z, h=h)
