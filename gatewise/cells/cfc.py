"""Closed-form continuous-time network: Hasani et al. (2022), Nature Machine Intelligence 4.

arXiv:2106.13898. A gate of the time dt since the last step, the second input, mixes g with k (the
paper's h); these and f are heads of one backbone, here `layers` layers of H units with LeCun's
tanh. The paper's gate is sigmoid(-f dt); the authors' code adds a head without dt to its argument.
"""

from gatewise.equations import U, V, W, b, cell, sigmoid, tanh


@cell(states=("h",), inputs=dict(x="I", dt=1))
def cfc(x, dt, h, *, layers=1):
    a = W.a @ x + U.a @ h + b.a  # first layer of the backbone
    for k in range(1, layers):
        a = V["a", k] @ (1.7159 * tanh(2 / 3 * a)) + b["a", k]  # its further layers
    backbone = 1.7159 * tanh(2 / 3 * a)
    g = tanh(V.g @ backbone + b.g)  # state at once
    k = tanh(V.k @ backbone + b.k)  # state after long
    f = V.f @ backbone + b.f  # speed from the one to the other
    t = sigmoid(-f * dt)  # time gate
    h = t * g + (1 - t) * k  # hidden state
    return dict(backbone=backbone, g=g, k=k, f=f, t=t, h=h)
