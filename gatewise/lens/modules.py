"""Which recurrent layer of a model is running: its name, its layer, its direction."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gatewise.backends import Interceptor, Recurrence, intercepting
from gatewise.backends.interception import interceptors
from gatewise.layers import Step
from gatewise.layers.depth import Track
from gatewise.layers.layer import RecurrentLayer
from gatewise.lens.torch_operators import TorchOperators, torch_tracks

LAYERS = (RecurrentLayer, Step, nn.RNNBase, nn.RNNCellBase)
COMPILED = "_orig_mod"


def network_of(model: Any) -> nn.Module:
    """The module itself, or the network of a model that `gatewise.load` returned.

    Raises:
        TypeError: it is neither.
    """
    network = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    if not isinstance(network, nn.Module):
        raise TypeError(f"{type(model).__name__} is no torch.nn.Module, and no model of gw.load.")
    return network


def recurrent_modules(model: nn.Module) -> dict[str, nn.Module]:
    """The recurrent layers of a model by name, those of torch among them.

    What a recurrent layer is made of is no layer of its own; what `torch.compile` wrapped goes by
    its own name.
    """
    found: dict[str, nn.Module] = {}
    inner: set[nn.Module] = set()
    for path, module in model.named_modules():
        if module in inner or not isinstance(module, LAYERS):
            continue
        assert isinstance(module, nn.Module)
        inner.update(module.modules())
        found[".".join(part for part in path.split(".") if part != COMPILED)] = module
    return found


def tracks_of(module: nn.Module) -> list[list[Track]]:
    """The recurrences of a recurrent layer with their weights, by layer, then direction."""
    if isinstance(module, Step):
        return module.recurrent.tracks()
    if isinstance(module, RecurrentLayer):
        return module.tracks()
    return torch_tracks(module)


@dataclass
class Visit:
    """One call of one recurrent layer of a model.

    Attributes:
        name: the module's path within the model; empty for the model itself.
        module: the layer.
        batch_first: whether what it is given is ``(B, T, ·)``.
        batched: whether it is given a batch at all.
        packed: the PackedSequence that it was called with, if it was one.
    """

    name: str
    module: nn.Module
    batch_first: bool = False
    batched: bool = True
    packed: PackedSequence | None = None
    _layers: int = field(default=0, init=False)

    @classmethod
    def of(cls, name: str, module: nn.Module, x: Any) -> Visit:
        """The call of a module with x as its first argument."""
        if isinstance(module, Step | nn.RNNCellBase):
            return cls(name, module, False, not isinstance(x, Tensor) or x.dim() > 1)
        batch_first = bool(getattr(module, "batch_first", False))
        if isinstance(x, PackedSequence):
            return cls(name, module, batch_first, True, x)
        batched = not isinstance(x, Tensor) or x.dim() > 2
        return cls(name, module, batch_first and batched, batched)

    def place(self, recurrence: Recurrence) -> tuple[int, str]:
        """The layer and direction of the recurrence that runs next: layers go forward first."""
        if not recurrence.reverse:
            self._layers += 1
        return self._layers - 1, "reverse" if recurrence.reverse else "forward"


@contextmanager
def visiting(model: nn.Module, watch: Callable[[Visit], Interceptor | None]) -> Iterator[None]:
    """Inside the ``with`` block, calls of a model's recurrent layers go through interceptors.

    Layers are the same objects before and after, and compiled models run uncompiled meanwhile.

    Args:
        model: the layers are found in it.
        watch: makes the interceptor of one call; None lets the call pass.
    """
    with ExitStack() as stack:
        if any(map(_is_compiled, model.modules())):
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        for name, module in recurrent_modules(model).items():
            stack.enter_context(_visited(name, module, watch))
        yield


def _is_compiled(module: nn.Module) -> bool:
    return hasattr(module, COMPILED) or getattr(module, "_compiled_call_impl", None) is not None


@contextmanager
def _visited(
    name: str, module: nn.Module, watch: Callable[[Visit], Interceptor | None]
) -> Iterator[None]:
    """Stand in for the module's `forward`, which alone sees what hooks made of the arguments."""
    own = vars(module).get("forward")
    module.forward = _Watched(name, module, own, watch)  # type: ignore[method-assign]
    try:
        yield
    finally:
        if own is None:
            del module.forward
        else:
            module.forward = own  # type: ignore[method-assign]


class _Watched:
    """What is called in place of a module's `forward`; a copy of the module has its own forward.

    Args:
        name: the module's path within the model.
        module: the layer.
        own: a `forward` that stood in for the class's before; None for the class's.
        watch: makes the interceptor of one call.
    """

    def __init__(
        self,
        name: str,
        module: nn.Module,
        own: Callable[..., Any] | None,
        watch: Callable[[Visit], Interceptor | None],
    ):
        self.name, self.module, self.own, self.watch = name, module, own, watch
        self.forward = module.forward

    def __call__(self, *arguments: Any, **options: Any) -> Any:
        x = arguments[0] if arguments else options.get("input", options.get("x"))
        visit = Visit.of(self.name, self.module, x)
        interceptor = self.watch(visit)
        if interceptor is None:
            return self.forward(*arguments, **options)
        # a block around this one has its operators watched already, for all interceptors
        torch_runs = isinstance(self.module, nn.RNNBase | nn.RNNCellBase) and not interceptors()
        operators = TorchOperators(visit.packed) if torch_runs else nullcontext()
        with intercepting(interceptor), operators:
            return self.forward(*arguments, **options)

    def __reduce__(self) -> tuple[Any, ...]:
        if self.own is None:
            return getattr, (self.module, "forward")  # of the copy, which has no other yet
        return _itself, (self.own,)


def _itself(forward: Callable[..., Any]) -> Callable[..., Any]:
    return forward
