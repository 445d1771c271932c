"""Ways to run a recurrence. No cell is named here: a backend knows graphs."""

from gatewise.backends.choose import choose, run, use_backend
from gatewise.backends.explanation import Explanation, explaining
from gatewise.backends.recurrence import PAST, Backend, Operands, Recurrence, Result
from gatewise.backends.reference import evaluate_steps

__all__ = [
    "PAST",
    "Backend",
    "Explanation",
    "Operands",
    "Recurrence",
    "Result",
    "choose",
    "evaluate_steps",
    "explaining",
    "run",
    "use_backend",
]
