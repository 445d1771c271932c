"""Write a recurrent cell once, as its equations. Get everything else."""

from typing import TYPE_CHECKING, Any

from gatewise import cells, equations
from gatewise.backends import use_backend
from gatewise.layers import (
    GRU,
    LSTM,
    RNN,
    GRUCell,
    LSTMCell,
    Recurrent,
    RNNCell,
    Step,
    detach_state,
)

if TYPE_CHECKING:
    from gatewise.training import load

__all__ = [
    "GRU",
    "LSTM",
    "RNN",
    "GRUCell",
    "LSTMCell",
    "RNNCell",
    "Recurrent",
    "Step",
    "cells",
    "detach_state",
    "equations",
    "load",
    "use_backend",
]
__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    """`load` needs the training extra; everything else needs torch alone."""
    if name == "load":
        from gatewise.training import load

        return load
    raise AttributeError(f"module 'gatewise' has no attribute {name!r}")
