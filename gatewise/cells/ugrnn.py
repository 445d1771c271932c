"""Update gate RNN: Collins, Sohl-Dickstein & Sussillo (2017), arXiv:1611.09913.

A tanh RNN whose one gate decides, unit by unit, whether to keep or to compute: the paper's g and c
are torch's z and n here. The gate's bias starts at 1, as in TensorFlow's UGRNNCell; the paper
treats it as a hyperparameter.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",), initial={"b.z": 1.0})
def ugrnn(x, h):
    z = sigmoid(W.z @ x + U.z @ h + b.z)  # update gate
    n = tanh(W.n @ x + U.n @ h + b.n)  # candidate
    h = z * h + (1 - z) * n  # hidden state
    return dict(z=z, n=n, h=h)
