"""minGRU: Feng et al. (2024), arXiv:2410.01201, algorithm 1, the sequential form.

Gate and candidate see the input alone, so that the recurrence is linear in h. The candidate is
linear too; in the paper's log-space form for parallel training, which is not used here, it passes
through a positive function first.
"""

from gatewise.equations import W, b, cell, sigmoid


@cell(states=("h",))
def mingru(x, h):
    z = sigmoid(W.z @ x + b.z)  # update gate
    n = W.n @ x + b.n  # candidate
    h = (1 - z) * h + z * n  # hidden state
    return dict(z=z, n=n, h=h)
