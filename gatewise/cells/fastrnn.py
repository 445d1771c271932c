"""FastRNN: Kusupati et al. (2018), arXiv:1901.02358, section 3.1.

A residual connection with two learned scalars around a plain recurrent step. The paper leaves the
non-linearity open; here it is tanh. It keeps 0 < alpha, beta < 1 by a sigmoid of what is learned,
which starts at -3 and 3, and the biases at 1, as in the authors' code.
"""

from gatewise.equations import U, W, b, cell, s, sigmoid, tanh


@cell(states=("h",), initial={"b": 1.0, "s.alpha": -3.0, "s.beta": 3.0})
def fastrnn(x, h):
    alpha, beta = sigmoid(s.alpha), sigmoid(s.beta)  # learned scalars between 0 and 1
    n = tanh(W.n @ x + U.n @ h + b.n)  # candidate
    h = alpha * n + beta * h  # hidden state
    return dict(n=n, h=h)
