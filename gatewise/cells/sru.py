"""Simple recurrent unit: Lei, Zhang, Wang, Dai & Artzi (2018), arXiv:1709.02755, equations 1-4.

The state is c alone; h is the layer's output. The highway term takes x unit by unit, so I = H; it
is scaled by alpha = sqrt(3), the paper's correction for biases that start at zero. The first
version (2017) had no v * c in the gates, and a tanh in the output.
"""

from gatewise.equations import W, b, cell, p, sigmoid


@cell(states=("c",), output="h", initial={"b": 0.0})
def sru(x, c, *, alpha=3**0.5):
    f = sigmoid(W.f @ x + p.f * c + b.f)  # forget gate
    r = sigmoid(W.r @ x + p.r * c + b.r)  # reset gate
    c = f * c + (1 - f) * (W.c @ x)  # internal state
    h = r * c + (1 - r) * x * alpha  # output, a highway around the recurrence
    return dict(f=f, r=r, c=c, h=h)
