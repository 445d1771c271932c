"""Long expressive memory: Rusch, Mishra, Erichson & Mahoney (2022), arXiv:2110.04744, equation 3.

Two states that step through time at learned, different speeds: z is slow memory, y the hidden
state. dt = 1 is the paper's default. torchrecurrent 0.2.5 feeds the last step's z to the new y; the
paper's equation and the authors' code feed the new one, and so does this cell.
"""

from gatewise.equations import U, W, b, cell, sigmoid, tanh


@cell(states=("y", "z"))
def lem(x, y, z, *, dt=1.0):
    d = sigmoid(W.d @ x + U.d @ y + b.d)  # gate of the memory's time step, dt d
    e = sigmoid(W.e @ x + U.e @ y + b.e)  # gate of the hidden state's time step, dt e
    n = tanh(W.n @ x + U.n @ y + b.n)  # candidate of the memory
    z = (1 - dt * d) * z + dt * d * n  # memory
    m = tanh(W.m @ x + U.m @ z + b.m)  # candidate of the hidden state
    y = (1 - dt * e) * y + dt * e * m  # hidden state
    return dict(d=d, e=e, n=n, z=z, m=m, y=y)
