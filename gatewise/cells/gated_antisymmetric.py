"""Antisymmetric RNN with gating: Chang, Chen, Haber & Chi (2019), arXiv:1902.09689, equation 13.

The gate z scales the Euler step of `antisymmetric`; gate and direction share the antisymmetric
matrix, so that the Jacobian keeps its property. The gate's bias starts at 1, as in the paper.
torchrecurrent 0.2.5 adds its recurrent bias to the direction only; with that bias zero it agrees.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",), initial={"b.z": 1.0, "b.n": 0.0})
def gated_antisymmetric(x, h, *, epsilon=0.1, gamma=0.01):
    A_h = (U.h - U.h.T) @ h - gamma * h  # antisymmetric product with diffusion
    z = sigmoid(W.z @ x + A_h + b.z)  # input gate
    n = tanh(W.n @ x + A_h + b.n)  # direction of the step
    h = h + epsilon * z * n  # hidden state
    return dict(z=z, n=n, h=h)
