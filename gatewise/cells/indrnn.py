"""Independently recurrent network: Li, Li, Cook, Zhu & Gao (2018), arXiv:1803.04831.

Each unit sees only its own past, through one weight. The activation is the paper's ReLU;
torchrecurrent 0.2.5 takes tanh unless told. The weights start uniform in (0, 1), within the paper's
bound |p| ≤ 2^(1/T) for sequences of T steps; keeping them there while training is left to the user.
"""

from gatewise.equations import W, b, cell, p, relu


@cell(states=("h",), initial={"p.h": (0.0, 1.0)})
def indrnn(x, h):
    h = relu(W.h @ x + p.h * h + b.h)  # hidden state
    return dict(h=h)
