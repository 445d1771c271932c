"""minLSTM: Feng et al. (2024), arXiv:2410.01201, algorithm 3, the sequential form.

Gates and candidate see the input alone, so that the recurrence is linear in h; there is no output
gate. The two gates are scaled to a sum of one, the paper's length-independence scaling;
``normalised=False`` leaves it out. The log-space form for parallel training, with a positive
candidate, is another function and not used here.
"""

from gatewise.equations import W, b, cell, sigmoid


@cell(states=("h",))
def minlstm(x, h, *, normalised=True):
    i = sigmoid(W.i @ x + b.i)  # input gate
    f = sigmoid(W.f @ x + b.f)  # forget gate
    n = W.n @ x + b.n  # candidate
    total = f + i if normalised else 1  # what the gates are scaled by
    h = f / total * h + i / total * n  # hidden state
    return dict(i=i, f=f, n=n, h=h)
