"""Write a recurrent cell once, as its equations. Get everything else."""

import importlib
from typing import TYPE_CHECKING, Any

from gatewise import cells, equations

if TYPE_CHECKING:
    from gatewise.backends import use_backend
    from gatewise.layers import (
        GRU,
        LSTM,
        RNN,
        GRUCell,
        LSTMCell,
        Recurrent,
        RNNCell,
        State,
        Step,
        detach_state,
        windows,
    )
    from gatewise.lens import ablate, clamp, freeze, intervene, replace_state, trace
    from gatewise.training import load

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
    "ablate",
    "cells",
    "clamp",
    "detach_state",
    "equations",
    "freeze",
    "intervene",
    "load",
    "replace_state",
    "trace",
    "use_backend",
    "windows",
]
__version__ = "0.1.0"

# What needs torch, or the training extra, is imported when it is first asked for: the command line
# answers at once, and can choose how torch's threads wait before torch is there.
_LENS = ("ablate", "clamp", "freeze", "intervene", "replace_state", "trace")
_HOMES = {**dict.fromkeys(_LENS, "lens"), "load": "training", "use_backend": "backends"}


def __getattr__(name: str) -> Any:
    """Import a public name, or a subpackage, when it is first asked for."""
    if name in __all__:
        found = getattr(importlib.import_module(f"gatewise.{_HOMES.get(name, 'layers')}"), name)
    elif name in {"backends", "layers", "lens", "training"}:
        found = importlib.import_module(f"gatewise.{name}")
    else:
        raise AttributeError(f"module 'gatewise' has no attribute {name!r}")
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
