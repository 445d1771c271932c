"""Chaos-free network: Laurent & von Brecht (2016), arXiv:1612.06212.

Without input the state decays to zero, unit by unit, and never wanders. The paper's θ and η are f
and i here; they start open and half shut (biases 1 and -1). The content tanh(W x) has no bias;
torchrecurrent 0.2.5 gives it one.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",), initial={"b.f": 1.0, "b.i": -1.0})
def cfn(x, h):
    f = sigmoid(W.f @ x + U.f @ h + b.f)  # forget gate, θ
    i = sigmoid(W.i @ x + U.i @ h + b.i)  # input gate, η
    g = tanh(W.g @ x)  # content
    h = f * tanh(h) + i * g  # hidden state
    return dict(f=f, i=i, g=g, h=h)
