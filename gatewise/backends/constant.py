"""Functions whose results a traced program may take as they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable)


def constant(function: Function) -> Function:
    """Let `torch.compile` call a function while it traces, and take the result as a constant.

    For functions of equations and options, which no trace could follow. The attribute is what
    torch's `assume_constant_result` sets; to call that would import the whole compiler (1.5 s).
    """
    function._dynamo_marked_constant = True  # type: ignore[attr-defined]
    return function
