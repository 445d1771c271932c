"""MinimalRNN: Chen (2017), arXiv:1711.06788.

The input is first mapped to a latent z in the state's own space; the state is then a gated mean of
such latents. u is torch's z (close to one keeps the state); the letters are the paper's.
"""

from gatewise.equations import U, V, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def minimalrnn(x, h):
    z = tanh(W.z @ x + b.z)  # latent input
    u = sigmoid(U.u @ h + V.u @ z + b.u)  # update gate
    h = u * h + (1 - u) * z  # hidden state
    return dict(z=z, u=u, h=h)
