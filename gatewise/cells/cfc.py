"""Closed-form continuous-time network: Hasani et al. (2022), Nature Machine Intelligence 4.

arXiv:2106.13898. A gate of the time dt since the last step, the second input, mixes g with k (the
paper's h); these and f are heads of one backbone, here `layers` layers of H units with LeCun's
tanh. The paper's gate is sigmoid(-f dt); the authors' code adds a head without dt to its argument.
"""

from gatewise.equations import U, V, W, b, cell, sigmoid, tanh


@cell(states=("h",), inputs=dict(x="I", dt=1))
def cfc(x, dt, h, *, layers=1):
    a = 1.7159 * tanh(2 / 3 * (W.a @ x + U.a @ h + b.a))  # backbone, first layer
    for layer in range(2, layers + 1):
        a = 1.7159 * tanh(2 / 3 * (V["a", layer] @ a + b["a", layer]))  # its further layers
    g = tanh(V.g @ a + b.g)  # head for a short time (f > 0)
    k = tanh(V.k @ a + b.k)  # head for a long time
    f = V.f @ a + b.f  # speed from the one to the other
    z = sigmoid(-f * dt)  # time gate
    h = z * g + (1 - z) * k  # hidden state
    return dict(a=a, g=g, k=k, f=f, z=z, h=h)
