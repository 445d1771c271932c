"""What every recurrent layer can do besides being called."""

from __future__ import annotations

from typing import Any

from gatewise.backends import Explanation, Recurrence, explaining
from gatewise.layers.depth import Track
from gatewise.layers.stream import Stream


class RecurrentLayer:
    """Base of the layers: they say what ran, and go step by step."""

    def tracks(self) -> list[list[Track]]:
        """The recurrences with their weights as they are now: by layer, then direction."""
        raise NotImplementedError

    def start_values(self, recurrence: Recurrence) -> dict[str, float]:
        """The number that each state of a recurrence starts at."""
        return dict.fromkeys(recurrence.graph.states, 0.0)

    def explain(self, x: Any, *arguments: Any, **options: Any) -> list[Explanation]:
        """Run on x and tell what ran each recurrence, why, and how.

        Args:
            x: the input, as in a call.
            *arguments: as in a call.
            **options: as in a call.
        """
        with explaining() as found:
            self(x, *arguments, **options)  # type: ignore[operator]
        return found

    def stream(self, batch_size: int = 1) -> Stream:
        """A session that goes one step at a time; see `Stream`.

        Args:
            batch_size: how many sequences go side by side.
        """
        return Stream(self, batch_size)
