"""Look inside recurrent networks: what they compute at every step, and what that leads to."""

from gatewise.lens.gradient_by_lag import InnerGradients, gradient_by_lag, inner_gradients
from gatewise.lens.intervene import intervene
from gatewise.lens.interventions import Intervention, ablate, clamp, freeze, replace_state
from gatewise.lens.record import Record, TraceError
from gatewise.lens.trace import Trace, trace

__all__ = [
    "InnerGradients",
    "Intervention",
    "Record",
    "Trace",
    "TraceError",
    "ablate",
    "clamp",
    "freeze",
    "gradient_by_lag",
    "inner_gradients",
    "intervene",
    "replace_state",
    "trace",
]
