"""Intersection RNN (+RNN): Collins, Sohl-Dickstein & Sussillo (2017), arXiv:1611.09913.

Two gated sums that cross: one carries h through time, the other carries the input through depth to
the output y, which so has as many units as x. The authors' code (TensorFlow's IntersectionRNNCell)
and torchrecurrent 0.2.5 ask for I = H besides; nothing in the equations does. The paper's search
over activations ended with relu for y and tanh for h. Both gates start with bias 1, the default of
the authors' code; the paper searched for that number too.
"""

from gatewise.equations import U, W, b, cell, relu, sigmoid, tanh


@cell(states=("h",), output="y", initial={"b.gy": 1.0, "b.gh": 1.0})
def intersection(x, h):
    y_in = relu(W.y @ x + U.y @ h + b.y)  # candidate of the output
    h_in = tanh(W.h @ x + U.h @ h + b.h)  # candidate of the state
    gy = sigmoid(W.gy @ x + U.gy @ h + b.gy)  # depth gate
    gh = sigmoid(W.gh @ x + U.gh @ h + b.gh)  # recurrent gate
    y = gy * x + (1 - gy) * y_in  # output
    h = gh * h + (1 - gh) * h_in  # hidden state
    return dict(y_in=y_in, h_in=h_in, gy=gy, gh=gh, y=y, h=h)
