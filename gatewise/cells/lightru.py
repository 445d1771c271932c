"""Light recurrent unit: Ye, Zhang, Liu, Li, Chang & Zheng (2024), Electronics 13(16), section 3.2.

The candidate sees the input alone; f close to one takes it and drops the old state. Only the gate
has a bias; torchrecurrent 0.2.5 gives the candidate one too. The paper's stacks of such cells
(section 3.3), which change the activation between layers, are no part of the cell.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def lightru(x, h):
    n = tanh(W.n @ x)  # candidate
    f = sigmoid(W.f @ x + U.f @ h + b.f)  # forget gate
    h = (1 - f) * h + f * n  # hidden state
    return dict(n=n, f=f, h=h)
