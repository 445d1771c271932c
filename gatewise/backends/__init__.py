"""Ways to run a recurrence. No cell is named here: a backend knows graphs."""

from gatewise.backends.choose import choose, run, run_all, use_backend
from gatewise.backends.constant import constant
from gatewise.backends.differentiation import asks_for_more
from gatewise.backends.explanation import Explanation, explaining
from gatewise.backends.interception import Interceptor, Proceed, intercepting
from gatewise.backends.noise import random_bits
from gatewise.backends.recurrence import (
    PAST,
    Backend,
    Job,
    Operands,
    Recurrence,
    Result,
    Stacked,
    Stacking,
    with_graph,
    with_products,
)
from gatewise.backends.reference import evaluate_steps

__all__ = [
    "PAST",
    "Backend",
    "Explanation",
    "Interceptor",
    "Job",
    "Operands",
    "Proceed",
    "Recurrence",
    "Result",
    "Stacked",
    "Stacking",
    "asks_for_more",
    "choose",
    "constant",
    "evaluate_steps",
    "explaining",
    "intercepting",
    "random_bits",
    "run",
    "run_all",
    "use_backend",
    "with_graph",
    "with_products",
]
