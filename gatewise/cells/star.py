"""Stackable recurrent cell: Turkoglu et al. (2019), arXiv:1911.11033, section 3.3.

Only the gate k sees the hidden state. Matrices start
orthogonal, as the paper assumes. The authors' code differs from the paper: it opens the gate by
1 - sigmoid(f - 1) beside a forget gate sigmoid(f), JANET's shift, and starts with chrono biases.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",), initial={"W": "orthogonal", "U": "orthogonal", "b": 0.0})
def star(x, h):
    k = sigmoid(W.k @ x + U.k @ h + b.k)  # gate
    z = tanh(W.z @ x + b.z)  # candidate, from the input alone
    h = tanh((1 - k) * h + k * z)  # hidden state
    return dict(k=k, z=z, h=h)
