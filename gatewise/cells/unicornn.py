"""UnICORNN: Rusch & Mishra (2021), arXiv:2103.05487, section 2, one layer.

Undamped, independent, controlled oscillators: the recurrent weight is a vector, and c learns each
unit's own time step, between 0 and dt. A symplectic Euler step makes the recurrence invertible.
Initial values as in the authors' code; dt = 0.205 and alpha = 0 are theirs for IMDB's last layer.
torchrecurrent 0.2.5 agrees, with dt = 1 by default.
"""

from gatewise.equations import W, b, cell, p, sigmoid, tanh


@cell(states=("y", "z"), initial={"b": 0.0, "p.f": (0.0, 1.0), "p.c": (-0.1, 0.1)})
def unicornn(x, y, z, *, dt=0.205, alpha=0.0):
    f = tanh(W.f @ x + p.f * y + b.f)  # restoring force
    step = dt * sigmoid(p.c)  # each unit's time step
    z = z - step * (f + alpha * y)  # velocity
    y = y + step * z  # position: the hidden state
    return dict(f=f, z=z, y=y)
