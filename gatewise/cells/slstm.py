"""sLSTM of xLSTM: Beck et al. (2024), arXiv:2405.04517, equations 8-17.

The input gate is an exponential, n adds up the weights in c, and the stabiliser m keeps both from
overflowing: i and f are the paper's i' and f'. h does not depend on m, so m is detached and the
gradient of h stays exact; it starts far below every pre-activation, so that the first step takes
it from the input gate, as the authors' code does. R is block-diagonal with `heads` blocks (the
authors' code: 4; H must be a multiple). The forget gate is logistic, as in that code, or
exponential; the paper allows both.
"""

from gatewise.equations import (
    R,
    W,
    b,
    block_diagonal,
    cell,
    detach,
    exp,
    maximum,
    sigmoid,
    softplus,
    tanh,
)


@cell(states=("h", "c", "n", "m"), initial={"m": -1e4})
def slstm(x, h, c, n, m, *, heads=1, exponential_forget=False):
    log_i = W.i @ x + block_diagonal(R.i, heads) @ h + b.i  # logarithm of the input gate
    pre_f = W.f @ x + block_diagonal(R.f, heads) @ h + b.f  # the forget gate's pre-activation
    log_f = pre_f if exponential_forget else -softplus(-pre_f)  # logarithm of the forget gate
    z = tanh(W.z @ x + block_diagonal(R.z, heads) @ h + b.z)  # cell input
    o = sigmoid(W.o @ x + block_diagonal(R.o, heads) @ h + b.o)  # output gate
    last, m = m, detach(maximum(log_f + m, log_i))  # stabiliser
    i = exp(log_i - m)  # stabilised input gate
    f = exp(log_f + last - m)  # stabilised forget gate
    c = f * c + i * z  # cell state
    n = f * n + i  # normaliser
    h = o * c / n  # hidden state
    return dict(log_i=log_i, log_f=log_f, z=z, o=o, m=m, i=i, f=f, c=c, n=n, h=h)
