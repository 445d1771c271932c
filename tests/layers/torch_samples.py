"""The samples that the installed torch tests its own recurrent modules with."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch
from torch import nn

import gatewise as gw


@dataclass(frozen=True)
class Sample:
    """How torch constructs a module, and what it calls it with.

    Attributes:
        kind: the name of the module, torch's and ours.
        arguments: of the constructor, by position.
        options: of the constructor, by name.
        call: arguments of the call.
        unbatched: torch's own way to get the same result with a batch of one; None for none.
    """

    kind: str
    arguments: tuple[Any, ...]
    options: dict[str, Any]
    call: tuple[Any, ...]
    unbatched: Callable | None

    def __str__(self) -> str:
        shapes = [getattr(value, "shape", type(value).__name__) for value in self.call]
        return f"{self.kind}{self.arguments}{self.options} on {shapes}"

    def layer(self, **more: Any) -> nn.Module:
        """Our module, with weights that depend on the sizes alone."""
        torch.manual_seed(1)
        return getattr(gw, self.kind)(*self.arguments, **{**self.options, **more})

    def torchs(self, **more: Any) -> nn.Module:
        """Torch's module with the same weights."""
        made = getattr(nn, self.kind)(*self.arguments, **{**self.options, **more})
        made.load_state_dict(self.layer(**more).state_dict(), strict=True)
        return made


@cache
def _catalogue():
    """Torch's test catalogue, without what importing it does to the process."""
    from torch.testing._internal import common_modules

    # the import forbids torch.backends.x.y = z for the rest of the process, other tests included
    setattr(torch.backends, "__allow_nonbracketed_mutation_flag", True)
    return common_modules


def _draw(kind: str, what: str, dtype: torch.dtype) -> list[Any]:
    own, shared = f"module_{what}_torch_nn_{kind}", f"module_{what}_torch_nn_RNN_GRU"
    shared += "_Cell" if kind.endswith("Cell") else ""  # what torch refuses LSTM with is not stated
    draw = getattr(_catalogue(), own, getattr(_catalogue(), shared))
    is_rnn = kind.startswith("RNN")
    return draw(None, "cpu", dtype, False, True, is_rnn=is_rnn, with_packed_sequence=True)


def samples(kind: str, dtype: torch.dtype = torch.float64) -> list[Sample]:
    """Torch's samples of a module, packed sequences included."""
    torch.manual_seed(0)
    return [
        Sample(
            kind,
            drawn.constructor_input.args,
            drawn.constructor_input.kwargs,
            drawn.forward_input.args,
            # a packed sequence has a batch, for which torch states no other way
            drawn.reference_fn if isinstance(drawn.forward_input.args[0], torch.Tensor) else None,
        )
        for drawn in _draw(kind, "inputs", dtype)
    ]


@dataclass(frozen=True)
class Refusal:
    """A sample that torch refuses.

    Attributes:
        sample: what is refused.
        in_call: whether the call is, else the constructor.
        error: the kind of error.
        message: what its message matches.
    """

    sample: Sample
    in_call: bool
    error: type[Exception]
    message: str


def refusals(kind: str) -> list[Refusal]:
    """Torch's samples of what a module refuses."""
    found = []
    for drawn in _draw(kind, "error_inputs", torch.float32):
        given = drawn.module_error_input
        call = given.forward_input.args if given.forward_input else ()
        sample = Sample(
            kind, given.constructor_input.args, given.constructor_input.kwargs, call, None
        )
        in_call = drawn.error_on == _catalogue().ModuleErrorEnum.FORWARD_ERROR
        found.append(Refusal(sample, in_call, drawn.error_type, drawn.error_regex))
    return found
