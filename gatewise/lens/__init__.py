"""Look inside recurrent networks: what they compute at every step, and what that leads to."""

from gatewise.lens.gradient_by_lag import InnerGradients, gradient_by_lag, inner_gradients
from gatewise.lens.record import Record, TraceError
from gatewise.lens.trace import Trace, trace

__all__ = [
    "InnerGradients",
    "Record",
    "Trace",
    "TraceError",
    "gradient_by_lag",
    "inner_gradients",
    "trace",
]
