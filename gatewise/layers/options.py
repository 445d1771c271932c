"""What the layers can do beyond torch's: the same for every cell."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import torch

from gatewise.equations import Graph
from gatewise.layers.regularizers import Regularizers, Zoneout


@dataclass(frozen=True)
class Options:
    """Options of a layer besides its cell, sizes, depth and direction; all are JSON-ready.

    Attributes:
        residual: every layer after the first adds its input to its output.
        layer_norm: every layer after the first reads its input normalised over its units (Ba et
            al. 2016), with a scale and a shift of its own; a residual connection goes around it.
        input_dropout: see `Regularizers`.
        recurrent_dropout: likewise.
        weight_drop: likewise.
        zoneout: likewise.
        learn_initial: the state before the first step, and after a reset, is learned.
        recompute: training keeps the states at the starts of segments alone and computes each
            segment again in the backward pass; True for about √T steps, or a number of steps.
        state_batch_first: states are ``(B, layers · directions, size)``.
    """

    residual: bool = False
    layer_norm: bool = False
    input_dropout: float = 0.0
    recurrent_dropout: float = 0.0
    weight_drop: float = 0.0
    zoneout: Zoneout = 0.0
    learn_initial: bool = False
    recompute: bool | int = False
    state_batch_first: bool = False

    @cached_property
    def regularizers(self) -> Regularizers:
        """The options that add noise in training."""
        names = [each.name for each in fields(Regularizers)]
        return Regularizers(**{name: getattr(self, name) for name in names})

    def check(self, graph: Graph, outputs: Sequence[int]) -> None:
        """Raise a ValueError for what cannot be; warn of what does nothing.

        Args:
            graph: the cell's equations.
            outputs: size of each layer's output, both directions together.
        """
        self.regularizers.check(graph)
        if not isinstance(self.recompute, int) or self.recompute < 0:
            raise ValueError(f"recompute={self.recompute!r}: True, or a number of steps.")
        if self.residual and len({*outputs}) > 1:
            raise ValueError(f"residual=True needs layers of one size, not {list(outputs)}.")
        for name in ("residual", "layer_norm"):
            if getattr(self, name) and len(outputs) == 1:
                warn_between_layers(name)

    def beyond_torch(self, training: bool) -> bool:
        """Whether a call does what torch's own operators do not."""
        return bool(
            self.residual
            or self.layer_norm
            or self.regularizers.zones
            or (training and self.regularizers.acts_in_training)
            or (self.recompute and torch.is_grad_enabled())
        )

    def is_special(self, training: bool, grad: bool) -> bool:
        """Whether a call is more than the plain equations of a stack of layers.

        Args:
            training: whether the layer is in training mode.
            grad: whether gradients are recorded.
        """
        return (
            self._always_special
            or (training and self.regularizers.acts_in_training)
            or bool(self.recompute and grad)
        )

    @cached_property
    def _always_special(self) -> bool:
        between = self.residual or self.layer_norm
        return bool(
            between or self.regularizers.zones or self.learn_initial or self.state_batch_first
        )

    def changed(self) -> dict[str, Any]:
        """What differs from the defaults."""
        return {name: v for name, v in asdict(self).items() if v != getattr(Options, name)}


def warn_between_layers(name: str) -> None:
    """Say that an option that acts between layers has nothing to act on."""
    warnings.warn(
        f"{name} acts between layers, but there is one: it does nothing. "
        "Say num_layers=2 or more, or leave it out.",
        stacklevel=5,
    )
