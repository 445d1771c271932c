"""What every recurrent layer can do besides its own signature."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch import Tensor, nn

from gatewise.backends import Explanation, Recurrence, explaining
from gatewise.backends.choose import is_traceable
from gatewise.layers.depth import Marks, Passage, Track, run_tracks
from gatewise.layers.options import Options
from gatewise.layers.padding import without_padding
from gatewise.layers.precision import rounded_products, without_autocast
from gatewise.layers.sequence import Sequence
from gatewise.layers.state import States
from gatewise.layers.stream import Stream


class RecurrentLayer:
    """Base of the layers: their options, their initial states, what ran, and going step by step."""

    may_step_on_torch = False
    """Whether torch has an operator for the layer that may take few steps in less time."""

    options: Options
    norms: nn.ModuleList | tuple[()]

    def recurrences(self) -> list[list[Recurrence]]:
        """One step, its sizes and direction: by layer, then direction."""
        raise NotImplementedError

    def stored_weights(self, layer: int, reverse: bool) -> Mapping[str, Tensor]:
        """Weights by their names in the equations, as they are stored."""
        raise NotImplementedError

    def start_values(self, recurrence: Recurrence) -> dict[str, float]:
        """The number that each state of a recurrence starts at, unless that is learned."""
        return dict.fromkeys(recurrence.graph.states, 0.0)

    def tracks(self) -> list[list[Track]]:
        """The recurrences with their weights as they are now: by layer, then direction."""
        return [
            [Track(each, self.stored_weights(k, each.reverse), k) for each in row]
            for k, row in enumerate(self.recurrences())
        ]

    def evaluated(self, recurrence: Recurrence) -> Recurrence:
        """A recurrence as evaluation runs it: zoneout is its expectation."""
        graph = self.options.regularizers.in_evaluation(recurrence.graph)
        return Recurrence(graph, recurrence.sizes, recurrence.reverse)

    def initial_values(self, layer: int, recurrence: Recurrence) -> dict[str, Tensor]:
        """The state before the first step of one layer and direction, ``(size,)`` by name."""
        if self.options.learn_initial:
            return {name: getattr(self, full) for name, full in _names(layer, recurrence).items()}
        like = next(self.parameters(), torch.empty(0))  # type: ignore[attr-defined]
        starts = self.start_values(recurrence)
        return {
            name: like.new_full((recurrence.state_size(name),), start)
            for name, start in starts.items()
        }

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

    # -- for the layers

    def _add_parameters(self, device: Any, dtype: torch.dtype | None) -> None:
        """Make what the options learn: layer norms, and initial states."""
        rows, options = self.recurrences(), self.options
        inputs = [row[0].output_size * len(row) for row in rows[:-1]] if options.layer_norm else []
        norms = [nn.LayerNorm(size, device=device, dtype=dtype) for size in inputs]
        self.norms = nn.ModuleList(norms) if norms else ()
        for layer, recurrence in self._each() if options.learn_initial else ():
            for name, full in _names(layer, recurrence).items():
                value = torch.empty(recurrence.state_size(name), device=device, dtype=dtype)
                self.register_parameter(full, nn.Parameter(value))  # type: ignore[attr-defined]

    @torch.no_grad()
    def _reset_added(self) -> None:
        """Initial values of what `_add_parameters` made."""
        for norm in self.norms:
            norm.reset_parameters()  # type: ignore[operator]
        for layer, recurrence in self._each() if self.options.learn_initial else ():
            starts = self.start_values(recurrence)
            for name, full in _names(layer, recurrence).items():
                getattr(self, full).fill_(starts[name])

    def _each(self) -> Iterator[tuple[int, Recurrence]]:
        for layer, row in enumerate(self.recurrences()):
            for recurrence in row:
                yield layer, recurrence

    def _initial_states(self, batch: int, like: Tensor) -> States:
        """The state before the first step, ``(B, size)``, on the device and in the dtype of x."""
        if self.options.learn_initial:
            return [
                {n: v.expand(batch, -1) for n, v in self.initial_values(layer, recurrence).items()}
                for layer, recurrence in self._each()
            ]
        return [
            {
                name: like.new_full((batch, recurrence.state_size(name)), start)
                for name, start in self.start_values(recurrence).items()
            }
            for _, recurrence in self._each()
        ]

    def _run_layers(
        self,
        sequence: Sequence,
        states: States | None,
        reset: Any,
        dropout: float,
        inputs: Mapping[str, Tensor] | None = None,
    ) -> tuple[Tensor, States]:
        """Run all layers: the output ``(T, B, size)`` and the last states.

        Args:
            sequence: the input.
            states: where to start; None for the initial states.
            reset: as the caller gave it; None for nowhere.
            dropout: between layers, in training.
            inputs: what the cell reads besides x, ``(T, B, size)``.
        """
        initial: States = [{} for _ in states or ()]  # needed for a start or a reset alone
        if states is None or reset is not None:
            initial = self._initial_states(sequence.batch, sequence.data)
        x, inputs, alive = sequence.x, dict(inputs or {}), sequence.alive
        if sequence.counted is not None:  # the padding of a PackedSequence is our own
            assert alive is not None
            x = without_padding(x, alive)
            inputs = {name: without_padding(value, alive) for name, value in inputs.items()}
        marks = Marks(alive, None if reset is None else sequence.arrange(reset, "reset", 1))
        training: bool = self.training  # type: ignore[attr-defined]
        device = x.device.type
        products = rounded_products(self, device)
        passage = Passage(self.options, training, dropout, list(self.norms), marks, products)
        states = initial if states is None else states
        run = _run_tracks(x, next(iter(states[0].values())).dtype)
        return without_autocast(
            self, device, lambda: run(self.tracks(), x, inputs, states, initial, passage)
        )


def _run_tracks(x: Tensor, dtype: torch.dtype) -> Callable[..., tuple[Tensor, States]]:
    """`run_tracks`; where torch compiles what it could not trace, outside of the program."""
    if not torch.compiler.is_compiling() or is_traceable(x, dtype):
        return run_tracks
    return torch.compiler.disable(run_tracks)  # type: ignore[return-value]


def _names(layer: int, recurrence: Recurrence) -> dict[str, str]:
    """The parameters that hold a learned initial state, by state."""
    suffix = f"_l{layer}" + ("_reverse" if recurrence.reverse else "")
    return {name: f"initial_{name}{suffix}" for name in recurrence.graph.states}
