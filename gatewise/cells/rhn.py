"""Recurrent highway network: Zilly, Srivastava, Koutník & Schmidhuber (2017), arXiv:1607.03474.

Equations 6-9: `depth` highway layers within one step; only the first sees the input. The carry gate
is 1 - t, as in all of the paper's experiments, or a gate of its own with ``coupled=False``. The
biases of t start below zero, so that layers begin by carrying. torchrecurrent 0.2.5 has the cell's
file, which cannot be imported.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",), initial={f"b.t_{k}": -2.0 for k in range(1, 11)})
def rhn(x, h, *, depth=3, coupled=True):
    values = {}
    n_x, t_x, c_x = W.n @ x, W.t @ x, W.c @ x  # the input, for the first layer
    for k in range(1, depth + 1):
        n = tanh(n_x + U["n", k] @ h + b["n", k])  # candidate
        t = sigmoid(t_x + U["t", k] @ h + b["t", k])  # transform gate
        c = 1 - t if coupled else sigmoid(c_x + U["c", k] @ h + b["c", k])  # carry gate
        h = t * n + c * h  # intermediate state; the last is the hidden state
        values |= {f"n{k}": n, f"t{k}": t, f"c{k}": c}
        n_x = t_x = c_x = 0
    return dict(values, h=h)
