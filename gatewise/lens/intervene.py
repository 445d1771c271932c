"""Change what a model's recurrent layers compute, for as long as a ``with`` block lasts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from torch import nn

from gatewise.backends import Operands, Proceed, Recurrence, Result
from gatewise.lens.interventions import Intervention
from gatewise.lens.modules import Visit, network_of, recurrent_modules, tracks_of, visiting
from gatewise.lens.torch_operators import TorchCall


@contextmanager
def intervene(model: Any, *interventions: Intervention) -> Iterator[None]:
    """Inside the ``with`` block, a model's recurrent layers compute something else.

    The changes are written into the equations, so that every backend runs them, everything that
    follows sees them, and gradients are those of the changed model. The model itself is never
    touched: it is as before when the block ends, in whatever way. Blocks may be nested, and
    combined with `gatewise.trace` in any order, which shows what really ran. Where two changes
    speak of the same units and steps, the later one holds, and the inner block.

    Layers of torch run on the equations meanwhile. A `layer.stream` has its own copy of the weights
    and knows nothing of interventions.

    Args:
        model: any `torch.nn.Module`, or what `gatewise.load` returned.
        *interventions: made by `clamp`, `freeze`, `ablate` and `replace_state`.

    Raises:
        ValueError: the model has no such layer, value or unit; the message says what there is.
        TypeError: it is no model.

    Example:
        >>> import torch, gatewise as gw
        >>> model, x = torch.nn.LSTM(3, 5), torch.randn(7, 2, 3)
        >>> shut = gw.clamp("", gate="f", value=0.0, steps=slice(2, 5))
        >>> with gw.intervene(model, shut, gw.ablate("", units=[4])), gw.trace(model) as t:
        ...     y, state = model(x)
        >>> bool((t.only.f[2:5] == 0).all()), bool((y[..., 4] == 0).all())
        (True, True)
    """
    network = network_of(model)
    modules = recurrent_modules(network)
    for intervention in interventions:
        _check(intervention, modules)

    def watch(visit: Visit) -> Intervening | None:
        own = [each for each in interventions if each.module == visit.name]
        return Intervening(visit, own) if own else None

    with visiting(network, watch):
        yield


def _check(intervention: Intervention, modules: dict[str, nn.Module]) -> None:
    if intervention.module not in modules:
        raise ValueError(
            f"the model has no recurrent layer {intervention.module!r}; it has "
            f"{', '.join(map(repr, modules)) or 'none'}."
        )
    if intervention.direction not in (None, "forward", "reverse"):
        raise ValueError(f"direction={intervention.direction!r}: 'forward' or 'reverse'.")
    tracks = [track for row in tracks_of(modules[intervention.module]) for track in row]
    meant = [
        track.recurrence
        for track in tracks
        if intervention.concerns(track.layer, "reverse" if track.recurrence.reverse else "forward")
    ]
    if not meant:
        raise ValueError(
            f"{intervention.module!r} has no layer {intervention.layer} "
            f"{intervention.direction or ''}: it has {1 + max(t.layer for t in tracks)} layers, "
            f"{'both directions' if tracks[-1].recurrence.reverse else 'forward only'}."
        )
    for recurrence in meant:
        intervention.check(recurrence)


class Intervening:
    """An interceptor that writes interventions into what one call of a layer runs.

    Args:
        visit: the call.
        interventions: those that speak of its layer.
    """

    rank = 0

    def __init__(self, visit: Visit, interventions: Sequence[Intervention]):
        self.visit, self.interventions = visit, interventions

    def run(
        self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...], proceed: Proceed
    ) -> Result:
        """Run the changed recurrence."""
        layer, direction = self.visit.place(recurrence)
        states = tuple(operands.states)
        for intervention in self.interventions:
            if intervention.concerns(layer, direction):
                recurrence, operands = intervention.apply(
                    recurrence, operands, self.visit.batch_first
                )
        result = proceed(recurrence, operands, keep)
        # a frozen value is a state of the changed recurrence, but none of the layer
        return result._replace(states={name: result.states[name] for name in states})

    def needs_equations(self, call: TorchCall) -> bool:
        """An operator of torch cannot be changed."""
        return True

    def saw_operator(self, call: TorchCall) -> None:
        """No operator runs."""
