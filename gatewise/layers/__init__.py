"""Layers for PyTorch: any cell, and drop-in replacements for torch's own."""

from gatewise.layers.recurrent import Recurrent
from gatewise.layers.state import State, detach_state
from gatewise.layers.step import GRUCell, LSTMCell, RNNCell, Step
from gatewise.layers.torch_compatible import GRU, LSTM, RNN
from gatewise.layers.windows import windows

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "Recurrent",
    "State",
    "Step",
    "detach_state",
    "windows",
]
