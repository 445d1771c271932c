"""What a backend runs: a graph over time in one direction, and the tensors it is given."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from types import MappingProxyType
from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from gatewise.equations import Graph
from gatewise.equations.document import read_graph
from gatewise.equations.size import size_number


@dataclass(frozen=True)
class Recurrence:
    """A cell's time loop.

    Attributes:
        graph: one step.
        sizes: the number each size name stands for; ``"I"`` and ``"H"`` at least.
        reverse: whether time runs from the last step to the first.
        products: ``"bfloat16"`` where a backend may round the factors of products to it; empty for
            products in the precision of all numbers.
    """

    graph: Graph
    sizes: Mapping[str, int]
    reverse: bool = False
    products: str = ""

    @cached_property
    def document(self) -> str:
        """All of it as JSON; see `read_recurrence`."""
        return json.dumps(
            {
                "graph": self.graph.to_dict(),
                "sizes": dict(self.sizes),
                "reverse": self.reverse,
                "products": self.products,
            }
        )

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.graph, tuple(sorted(self.sizes.items())), self.reverse, self.products))

    def state_size(self, state: str) -> int:
        """How many units a state has."""
        return size_number(self.graph.states[state], self.sizes)

    @property
    def output_size(self) -> int:
        """How many units the output has."""
        return size_number(self.graph.sizes.values[self.graph.output], self.sizes)


@lru_cache(maxsize=256)
def read_recurrence(document: str) -> Recurrence:
    """What `Recurrence.document` describes."""
    found = json.loads(document)
    return Recurrence(
        read_graph(found["graph"]), found["sizes"], found["reverse"], found.get("products", "")
    )


@lru_cache(maxsize=512)
def with_graph(recurrence: Recurrence, graph: Graph) -> Recurrence:
    """The same loop over other equations: the same object for the same two."""
    return recurrence if graph is recurrence.graph else replace(recurrence, graph=graph)


ADDED = "+"
"""``+b.i`` names what is added to ``b.i``, which is stored elsewhere: torch has two biases."""


@lru_cache(maxsize=512)
def with_products(recurrence: Recurrence, products: str) -> Recurrence:
    """The same loop with products of other numbers: the same object for the same two."""
    return recurrence if products == recurrence.products else replace(recurrence, products=products)


@dataclass(frozen=True)
class Stacking:
    """How weights are stored several to a tensor, one below the other.

    Attributes:
        members: for each tensor the names of its parts, in order; see `ADDED`.
        shapes: for each tensor the shape of one part; ``()`` for scalars.
    """

    members: tuple[tuple[str, ...], ...]
    shapes: tuple[tuple[int, ...], ...]

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        return hash((self.members, self.shapes))

    @cached_property
    def places(self) -> dict[str, tuple[int, int]]:
        """By name: which tensor a weight is stored in, and its first row there."""
        return {name: at for name, at in self._parts.items() if not name.startswith(ADDED)}

    @cached_property
    def added(self) -> dict[str, tuple[int, int]]:
        """Likewise what is added to a weight, by the weight's name."""
        parts = self._parts.items()
        return {name.removeprefix(ADDED): at for name, at in parts if name.startswith(ADDED)}

    @cached_property
    def _parts(self) -> dict[str, tuple[int, int]]:
        return {
            name: (k, position * (shape[0] if shape else 1))
            for k, (names, shape) in enumerate(zip(self.members, self.shapes, strict=True))
            for position, name in enumerate(names)
        }

    def split(self, k: int, tensor: Tensor) -> dict[str, Tensor]:
        """The parts of one tensor by name, as views."""
        names, shape = self.members[k], self.shapes[k]
        if len(names) == 1 and tensor.shape == shape:
            return {names[0]: tensor}
        rows = tensor.split(shape[0]) if shape else tensor.unbind()
        return dict(zip(names, rows, strict=True))


class Stacked(Mapping[str, Tensor]):
    """Weights by name, stored several to a tensor.

    Kernels read them where they are. Who asks for one by name gets a view of it, or the sum of two.

    Args:
        tensors: what is stored.
        stacking: the names of their parts.
    """

    def __init__(self, tensors: Sequence[Tensor], stacking: Stacking):
        self.tensors, self.stacking = tuple(tensors), stacking
        self._split: dict[int, dict[str, Tensor]] = {}

    @classmethod
    def of(cls, parameters: Mapping[str, Tensor]) -> Stacked:
        """Any weights by name; those that are no stack are stored one to a tensor."""
        if isinstance(parameters, Stacked):
            return parameters
        tensors = tuple(parameters.values())
        shapes = tuple(tuple(tensor.shape) for tensor in tensors)
        return cls(tensors, Stacking(tuple((name,) for name in parameters), shapes))

    def check(self) -> None:
        """Raise a RuntimeError where a tensor does not hold what the stacking says."""
        stacking = self.stacking
        for tensor, names, shape in zip(
            self.tensors, stacking.members, stacking.shapes, strict=True
        ):
            wanted = (len(names) * shape[0], *shape[1:]) if shape else (len(names),)
            if tuple(tensor.shape) not in (wanted, shape):
                raise RuntimeError(
                    f"{', '.join(names)}: stored in shape {tuple(tensor.shape)}, not {wanted}."
                )

    def __getitem__(self, name: str) -> Tensor:
        value = self._part(self.stacking.places[name][0], name)
        added = self.stacking.added.get(name)
        return value if added is None else value + self._part(added[0], ADDED + name)

    def _part(self, k: int, name: str) -> Tensor:
        if k not in self._split:
            self._split[k] = self.stacking.split(k, self.tensors[k])
        return self._split[k][name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.stacking.places)

    def __len__(self) -> int:
        return len(self.stacking.places)


@dataclass(frozen=True)
class Operands:
    """The tensors of one call.

    Attributes:
        inputs: by name, ``(T, B, size)``; ``x`` is among them.
        states: by name, ``(B, size)``.
        parameters: by name (``"W.i"``): ``(rows, columns)``, ``(size,)`` or ``()``; the columns of
            a block-diagonal matrix are stored divided by its blocks. Kernels are called with
            less ado where they are `Stacked`.
        givens: by name, ``(B, size)`` or broadcast to it.
        output: where the output may be written, ``(T, B, size)``, if there are no gradients; who
            runs need not heed it, and returns the tensor that it has written.
    """

    inputs: Mapping[str, Tensor]
    states: Mapping[str, Tensor]
    parameters: Mapping[str, Tensor]
    givens: Mapping[str, Tensor] = field(default_factory=dict)
    output: Tensor | None = field(default=None, kw_only=True)

    @property
    def x(self) -> Tensor:
        """The first input."""
        return next(iter(self.inputs.values()))

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the arithmetic: that of the states."""
        return next(iter(self.states.values())).dtype

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.x.device


Job = tuple[Recurrence, Operands]
"""What is to be run, and on what."""

PAST = "past."
"""``past.c`` names the state c as it was before each step."""


class Result(NamedTuple):
    """What a recurrence returns.

    Attributes:
        output: ``(T, B, size)``.
        states: the states after the last step that was run, ``(B, size)`` by name.
        values: the named values that were asked for, ``(T, B, size)`` by name. Compiled kernels
            hand them out without gradients (`equations.rewrite.with_change` gives those).
        saved: where `values` were asked for, named values that are kept for the backward pass
            anyway: each is read by a call, and None once that pass has let go of them.
    """

    output: Tensor
    states: Mapping[str, Tensor]
    values: dict[str, Tensor]
    saved: Mapping[str, Callable[[], Tensor | None]] = MappingProxyType({})


class Backend(Protocol):
    """A way to run a recurrence."""

    name: str

    def refusal(self, recurrence: Recurrence, operands: Operands) -> str | None:
        """Why this backend cannot run it; None where it can."""
        ...

    def describe(self, recurrence: Recurrence, operands: Operands) -> str:
        """How it runs it: tiles, threads, compile time."""
        ...

    def run(self, recurrence: Recurrence, operands: Operands, keep: tuple[str, ...] = ()) -> Result:
        """Run all steps.

        `keep` names values to return at every step, and states as they were before each step:
        ``"past.c"``.
        """
        ...
