"""NAS cell: Zoph & Le (2017), arXiv:1611.01578, the cell found on the Penn Treebank (figure 8).

A tree of eight leaves that a controller searched, in the form of the authors' code, TensorFlow's
NASCell. There a3 is a product of what x and h say; torchrecurrent 0.2.5 makes it a sum like the
others, although it says that it changes nothing. Biases are off in the authors' code unless asked
for; then they start at 0 and join the recurrent side, which matters in a3.
"""

from gatewise.equations import U, W, b, cell, relu, sigmoid, tanh


@cell(states=("h", "c"), initial={"b": 0.0})
def nas(x, h, c):
    a0 = sigmoid(W.a0 @ x + U.a0 @ h + b.a0)  # leaves
    a1 = relu(W.a1 @ x + U.a1 @ h + b.a1)
    a2 = sigmoid(W.a2 @ x + U.a2 @ h + b.a2)
    a3 = relu((W.a3 @ x) * (U.a3 @ h + b.a3))
    a4 = tanh(W.a4 @ x + U.a4 @ h + b.a4)
    a5 = sigmoid(W.a5 @ x + U.a5 @ h + b.a5)
    a6 = tanh(W.a6 @ x + U.a6 @ h + b.a6)
    a7 = sigmoid(W.a7 @ x + U.a7 @ h + b.a7)
    d0 = tanh(tanh(a0 * a1) + c)  # second row; the cell state joins the first branch
    d1 = tanh(a2 + a3)
    d2 = tanh(a4 * a5)
    d3 = sigmoid(a6 + a7)
    c = d0 * d1  # cell state
    e = tanh(d2 + d3)  # third row
    h = tanh(c * e)  # hidden state
    leaves = dict(a0=a0, a1=a1, a2=a2, a3=a3, a4=a4, a5=a5, a6=a6, a7=a7)
    return dict(**leaves, d0=d0, d1=d1, d2=d2, d3=d3, e=e, c=c, h=h)
