"""Coupled oscillatory RNN: Rusch & Mishra (2021), arXiv:2010.00951, equation 3.

Each unit is a damped, driven oscillator with position y and velocity z; gamma is the square of its
frequency, epsilon its damping, dt the time step. The paper leaves open whether the damping sees the
velocity before or after the step: here it is the one before, as in the authors' code and in
torchrecurrent 0.2.5, which calls y and z h and c. The defaults are the authors' for sequential
MNIST; torchrecurrent's are dt = 1 and no restoring force or damping.
"""

from gatewise.equations import U, V, W, b, cell, tanh


@cell(states=("y", "z"))
def cornn(x, y, z, *, dt=0.042, gamma=2.7, epsilon=4.7):
    f = tanh(W.f @ x + U.f @ y + V.f @ z + b.f)  # driving force
    z = z + dt * (f - gamma * y - epsilon * z)  # velocity
    y = y + dt * z  # position: the hidden state
    return dict(f=f, z=z, y=y)
