"""GRU-D: Che, Purushotham, Cho, Sontag & Liu (2018), arXiv:1606.01865.

For series with missing values. m is 1 where x was observed, else 0 (x may be anything there); delta
is the time since each input was last observed. The state `last` keeps that observation. A missing
input decays from it to the empirical mean, which is zero: standardise the inputs first. The
authors' code differs from the paper: it mixes the new state with the h before its decay, and feeds
1 - m.
"""

from gatewise.equations import U, V, W, b, cell, exp, p, relu, sigmoid, tanh, where


@cell(states=dict(h="H", last="I"), inputs=dict(x="I", m="I", delta="I"))
def gru_d(x, m, delta, h, last):
    gamma_x = exp(-relu(p.gamma_x * delta + b.gamma_x))  # decay of each input
    gamma_h = exp(-relu(W.gamma_h @ delta + b.gamma_h))  # decay of the hidden state
    x_hat = where(m > 0.5, x, gamma_x * last)  # observed or imputed input
    last = where(m > 0.5, x, last)  # last observation
    h_hat = gamma_h * h  # decayed hidden state
    r = sigmoid(W.r @ x_hat + U.r @ h_hat + V.r @ m + b.r)  # reset gate
    z = sigmoid(W.z @ x_hat + U.z @ h_hat + V.z @ m + b.z)  # update gate
    n = tanh(W.n @ x_hat + U.n @ (r * h_hat) + V.n @ m + b.n)  # candidate
    h = (1 - z) * h_hat + z * n  # hidden state
    decays = dict(gamma_x=gamma_x, gamma_h=gamma_h, x_hat=x_hat, h_hat=h_hat)
    return dict(decays, r=r, z=z, n=n, h=h, last=last)
