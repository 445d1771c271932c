"""torch.nn.RNNCell with nonlinearity="relu"."""

from functools import partial

from tests.cells.independent import rnn

step = partial(rnn.step, nonlinearity="relu")
