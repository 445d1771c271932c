"""GRU with weighted time-delay feedback: Erichson, Lim & Mahoney (2022), arXiv:2212.00228.

z sees h as it was `delay` steps before the present one (zero before the sequence began), and the
gate a weighs it. A step knows the past by its states alone, and their number is fixed, so h1 ... h8
hold the last eight: `delay` is at most 8 (0 is no delay), where the paper lets it be any number.
alpha and beta weigh the delayed and the present feedback; both are 1, as in torchrecurrent 0.2.5.
An early public code delays the input of z and a too, and the state of a; the paper delays the
state of z alone.
"""

from gatewise.equations import EquationError, U, W, b, cell, sigmoid, tanh


@cell(states=("h", "h1", "h2", "h3", "h4", "h5", "h6", "h7", "h8"))
def taugru(x, h, h1, h2, h3, h4, h5, h6, h7, h8, *, delay=8, alpha=1.0, beta=1.0):
    past = (h, h1, h2, h3, h4, h5, h6, h7, h8)
    if not 0 <= delay < len(past):
        raise EquationError(f"delay={delay}: the cell remembers 0 to {len(past) - 1} steps.")
    u = tanh(W.u @ x + U.u @ h + b.u)  # present feedback
    z = tanh(W.z @ x + U.z @ past[delay] + b.z)  # delayed feedback
    g = sigmoid(W.g @ x + U.g @ h + b.g)  # update gate
    a = sigmoid(W.a @ x + U.a @ h + b.a)  # weight of the delayed feedback
    h = (1 - g) * h + g * (beta * u + alpha * a * z)  # hidden state
    shifted = {f"h{k}": value for k, value in enumerate(past[:-1], start=1)}
    return dict(u=u, z=z, g=g, a=a, h=h, **shifted)
