"""How long training lasts, and how large its steps are on the way."""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Budget:
    """Where training ends: at whichever of these is reached first.

    Attributes:
        steps: Steps of the optimiser; None is no limit.
        minutes: Minutes of training and validation, all runs together; None is no limit.
    """

    steps: int | None = None
    minutes: float | None = None

    def __post_init__(self):
        if self.steps is None and self.minutes is None:
            raise ValueError("training needs an end: steps, epochs or minutes")

    def spent(self, step: int, seconds: float) -> float:
        """Return the share that is used up, from 0 to 1.

        A budget of steps alone never looks at the clock, so that runs can be repeated exactly.
        """
        shares = [0.0]
        if self.steps is not None:
            shares.append(step / self.steps)
        if self.minutes is not None:
            shares.append(seconds / (60 * self.minutes))
        return min(1.0, max(shares))


WARM_UP = 200  # steps
WARM_UP_SHARE = 0.05  # of the budget, if that is shorter


def learning_rate(peak: float, step: int, spent: float) -> float:
    """Return the learning rate of a step: a linear rise, then half a cosine down to a fiftieth.

    The rise takes 200 steps, or a twentieth of the budget if that is over earlier.

    Args:
        peak: The highest.
        step: The step, from 0.
        spent: The share of the budget that is used up.
    """
    rise = min(1.0, max((step + 1) / WARM_UP, spent / WARM_UP_SHARE))
    return peak * rise * (0.02 + 0.98 * (1 + math.cos(math.pi * spent)) / 2)
