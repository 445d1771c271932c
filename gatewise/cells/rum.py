"""Rotational unit of memory: Dangovski et al. (2019), TACL 7, 121-138, arXiv:1710.09537.

The state is turned, its length kept, in the plane of the embedded input e and the target t, by the
angle from e to t; the associative memory of the paper's lambda = 1, a matrix, is left out (lambda =
0). ``constants={"normalised": True}`` scales the state to the length eta, the paper's time
normalisation. Squares of lengths have 1e-12 added. The authors' PyTorch code differs from the
paper: its gate u has no sigmoid, and its e sees the state too.
"""

from gatewise.equations import U, W, b, cell, relu, sigmoid, sqrt, total


def unit_vector(a):
    """A vector of length 1 in the direction of another."""
    return a / sqrt(total(a * a) + 1e-12)


@cell(states=("h",))
def rum(x, h, *, normalised=False, eta=1.0):
    e = W.e @ x + b.e  # embedded input
    t = W.t @ x + U.t @ h + b.t  # target
    u = sigmoid(W.u @ x + U.u @ h + b.u)  # update gate
    k = unit_vector(e)  # first axis of the plane
    m = unit_vector(t - total(k * t) * k)  # second axis, orthogonal to the first
    cosine, sine = total(k * unit_vector(t)), total(m * unit_vector(t))  # of the angle
    h_k, h_m = total(k * h), total(m * h)  # the state in the plane
    turned = (cosine * h_k - sine * h_m - h_k) * k + (sine * h_k + cosine * h_m - h_m) * m
    n = relu(h + turned + e)  # candidate
    h = u * h + (1 - u) * n  # hidden state
    if normalised:
        h = eta * unit_vector(h)
    return dict(e=e, t=t, u=u, k=k, m=m, cosine=cosine, sine=sine, h_k=h_k, h_m=h_m, n=n, h=h)
