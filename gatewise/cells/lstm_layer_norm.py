"""Layer-normalised LSTM: Ba, Kiros & Hinton (2016), arXiv:1607.06450, supplementary material.

The products of h and of x are each normalised over all 4H pre-activations together, then the cell
state on its way out; c itself is carried on unnormalised. p are the gains (1 at the start), b the
biases (0 at the start); the paper's two further biases of each gate would only add to b.
TensorFlow's LayerNormBasicLSTMCell differs: it normalises gate by gate, and the carried cell state
too. The variance is taken with 1e-5 added, as in torch; the paper adds nothing.
"""

from gatewise.equations import U, W, b, cell, layer_norm, p, sigmoid, tanh


@cell(states=("h", "c"), initial={"p": 1.0, "b": 0.0})
def lstm_layer_norm(x, h, c):
    hi, hf, hg, ho = layer_norm(U.i @ h, U.f @ h, U.g @ h, U.o @ h)  # recurrent part
    xi, xf, xg, xo = layer_norm(W.i @ x, W.f @ x, W.g @ x, W.o @ x)  # input part
    i = sigmoid(p.hi * hi + p.xi * xi + b.i)  # input gate
    f = sigmoid(p.hf * hf + p.xf * xf + b.f)  # forget gate
    g = tanh(p.hg * hg + p.xg * xg + b.g)  # candidate
    o = sigmoid(p.ho * ho + p.xo * xo + b.o)  # output gate
    c = f * c + i * g  # cell state
    h = o * tanh(p.c * layer_norm(c) + b.c)  # hidden state
    return dict(i=i, f=f, g=g, o=o, c=c, h=h)
