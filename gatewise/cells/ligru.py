"""Light GRU: Ravanelli, Brakel, Omologo & Bengio (2018), arXiv:1803.10225, section III.

A GRU without reset gate, with ReLU for the candidate and orthogonal recurrent matrices. The paper
normalises W x over the batch, which keeps the ReLU state bounded; that sees more than one sequence
and is no part of a step, so a bias stands in its place (as in torchrecurrent 0.2.5): normalise the
layer's input instead.
"""

from gatewise.equations import U, W, b, cell, relu, sigmoid


@cell(states=("h",), initial={"U": "orthogonal"})
def ligru(x, h):
    z = sigmoid(W.z @ x + U.z @ h + b.z)  # update gate
    n = relu(W.n @ x + U.n @ h + b.n)  # candidate
    h = z * h + (1 - z) * n  # hidden state
    return dict(z=z, n=n, h=h)
