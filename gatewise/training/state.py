"""Carried states and optimisers as named tensors, and back."""

from collections.abc import Iterator, Mapping
from typing import Any

import torch


def pack_state(state: Any) -> dict[str, torch.Tensor]:
    """Name the tensors of a recurrent state: a tensor, a (named) tuple of them, or None."""
    return {f"state.{number}": tensor for number, tensor in enumerate(leaves(state))}


def unpack_state(like: Any, tensors: Mapping[str, torch.Tensor], device: torch.device) -> Any:
    """Rebuild a recurrent state.

    Args:
        like: A state of the same make.
        tensors: What `pack_state` named, among others.
        device: Where the state goes.

    Returns:
        The state, or None where none was packed.
    """
    if "state.0" not in tensors:
        return None
    numbers = iter(range(len(tensors)))

    def rebuild(part: Any) -> Any:
        if isinstance(part, torch.Tensor):
            return tensors[f"state.{next(numbers)}"].to(device)
        inner = [rebuild(each) for each in part]
        return type(part)(*inner) if hasattr(part, "_fields") else tuple(inner)

    return rebuild(like)


def leaves(state: Any) -> Iterator[torch.Tensor]:
    """Yield the tensors of a state in order."""
    if isinstance(state, torch.Tensor):
        yield state
    elif state is not None:
        for part in state:
            yield from leaves(part)


def pack_optimizer(
    optimizer: torch.optim.Optimizer,
) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return what an optimiser remembers: its tensors by name, and its other values by name."""
    tensors: dict[str, torch.Tensor] = {}
    others: dict[str, Any] = {}
    for number, memory in optimizer.state_dict()["state"].items():
        for name, value in memory.items():
            kept = tensors if isinstance(value, torch.Tensor) else others
            kept[f"optimizer.{number}.{name}"] = value
    return tensors, others


def unpack_optimizer(
    optimizer: torch.optim.Optimizer,
    tensors: Mapping[str, torch.Tensor],
    others: Mapping[str, Any],
) -> None:
    """Give a new optimiser the memory of the packed one."""
    memory: dict[int, dict[str, Any]] = {}
    for name, value in {**others, **tensors}.items():
        if name.startswith("optimizer."):
            _, number, key = name.split(".", 2)
            memory.setdefault(int(number), {})[key] = value
    groups = optimizer.state_dict()["param_groups"]
    optimizer.load_state_dict({"state": memory, "param_groups": groups})
