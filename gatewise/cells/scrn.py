"""Structurally constrained recurrent net: Mikolov et al. (2014), arXiv:1412.7753, equations 3-5.

A slow context s beside the hidden layer h, of S units (``sizes={"S": 40}``; H where not said);
alpha, 0.95 in the paper, says how slow. The output y is the paper's before its softmax, which is
the task's. The paper has no biases.

The authors' code feeds the last context to h, their paper the new one; the paper is followed.
torchrecurrent 0.2.5 squashes y with tanh and hands it on as the next step's h, where the paper
hands on h; it also has biases and learns alpha (from 0.5).
"""

from gatewise.equations import U, V, W, cell, sigmoid


@cell(states=dict(h="H", s="S"), output="y")
def scrn(x, h, s, *, alpha=0.95):
    s = (1 - alpha) * (W.s @ x) + alpha * s  # context
    h = sigmoid(V.h @ s + W.h @ x + U.h @ h)  # hidden state
    y = U.y @ h + V.y @ s  # output
    return dict(s=s, h=h, y=y)
