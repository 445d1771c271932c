"""Coupled oscillatory RNN: Rusch & Mishra (2021), arXiv:2010.00951, equation 3.

Each unit is a damped, driven oscillator with position y and velocity z; gamma is the square of its
frequency, epsilon its damping, dt the time step. The paper leaves open whether the damping sees the
velocity before or after the step: here it is the one before, as in the authors' code and in
torchrecurrent 0.2.5, which calls y and z h and c. gamma and epsilon are 1 by default, as in the
authors' code; dt suits short sequences (theirs is 0.042 for the 784 steps of sequential MNIST).
"""

from gatewise.equations import U, V, W, b, cell, tanh


@cell(states=("y", "z"))
def cornn(x, y, z, *, dt=0.5, gamma=1.0, epsilon=1.0):
    f = tanh(W.f @ x + U.f @ y + V.f @ z + b.f)  # driving force
    z = z + dt * (f - gamma * y - epsilon * z)  # velocity
    y = y + dt * z  # position: the hidden state
    return dict(f=f, z=z, y=y)
