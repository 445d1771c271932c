"""FastGRNN: Kusupati et al. (2018), arXiv:1901.02358, section 3.2.

A gate that shares both matrices with the candidate, so that only its bias is new. The learned
scalars zeta and nu stay between 0 and 1 by a sigmoid, which starts at 1 and -4, and the biases at
1, as in the authors' code. Low rank, sparsity and quantisation of the paper are no part of the
equations.
"""

from gatewise.equations import U, W, b, cell, s, sigmoid, tanh


@cell(states=("h",), initial={"b": 1.0, "s.zeta": 1.0, "s.nu": -4.0})
def fastgrnn(x, h):
    zeta, nu = sigmoid(s.zeta), sigmoid(s.nu)  # learned scalars between 0 and 1
    a = W.h @ x + U.h @ h  # shared pre-activation
    z = sigmoid(a + b.z)  # gate
    n = tanh(a + b.n)  # candidate
    h = (zeta * (1 - z) + nu) * n + z * h  # hidden state
    return dict(z=z, n=n, h=h)
