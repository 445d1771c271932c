"""Simple gated recurrent network: Zu & Wei (2021), IET Generation, Transmission & Distribution.

DOI 10.1049/gtd2.12056. One product of the input serves the gate and the candidate, and tanh bounds
their mixture with the old state. The one bias belongs to the gate, as in RecurrentLayers.jl;
torchrecurrent 0.2.5 adds one to the shared product too. We could not read the paper itself.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("h",))
def sgrn(x, h):
    a = W.a @ x  # what the input says
    f = sigmoid(a + U.f @ h + b.f)  # forget gate
    i = 1 - f  # input gate
    h = tanh(i * a + f * h)  # hidden state
    return dict(a=a, f=f, i=i, h=h)
