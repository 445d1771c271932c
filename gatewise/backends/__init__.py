"""Ways to run a recurrence. No cell is named here: a backend knows graphs."""

from gatewise.backends.choose import choose, run, use_backend
from gatewise.backends.explanation import Explanation, explaining
from gatewise.backends.recurrence import Backend, Operands, Recurrence, Result

__all__ = [
    "Backend",
    "Explanation",
    "Operands",
    "Recurrence",
    "Result",
    "choose",
    "explaining",
    "run",
    "use_backend",
]
