"""Antisymmetric RNN: Chang, Chen, Haber & Chi (2019), arXiv:1902.09689, equation 12.

A step of the forward Euler method, of size epsilon, along an ordinary differential equation whose
Jacobian has eigenvalues near the imaginary axis: the recurrent matrix is antisymmetric but for a
diffusion gamma on its diagonal. The paper tunes both per task. torchrecurrent 0.2.5 agrees, with
epsilon = 1 and gamma = 0 by default.
"""

from gatewise.equations import U, W, b, cell, tanh


@cell(states=("h",), initial={"b": 0.0})
def antisymmetric(x, h, *, epsilon=0.1, gamma=0.01):
    A_h = (U.h - U.h.T) @ h - gamma * h  # antisymmetric product with diffusion
    n = tanh(W.n @ x + A_h + b.n)  # direction of the step
    h = h + epsilon * n  # hidden state
    return dict(n=n, h=h)
