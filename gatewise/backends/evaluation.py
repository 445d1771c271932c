"""Expressions as torch operations: one row per primitive, and a plan that runs many in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from gatewise.backends.noise import noise
from gatewise.equations.expression import Matrix
from gatewise.equations.symbol import Expression

TORCH: dict[str, Callable[..., Tensor]] = {
    "add": torch.add,
    "subtract": torch.sub,
    "multiply": torch.mul,
    "divide": torch.div,
    "negate": torch.neg,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "exp": torch.exp,
    "log": torch.log,
    "softplus": lambda a: functional.softplus(a, threshold=60.0),  # exact up to rounding
    "sqrt": torch.sqrt,
    "absolute": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "maximum": torch.maximum,
    "minimum": torch.minimum,
    "noise": noise,
    "where": torch.where,
    "less": torch.lt,
    "less_equal": torch.le,
    "and": torch.logical_and,
    "or": torch.logical_or,
    "not": torch.logical_not,
    "detach": torch.Tensor.detach,
    "transpose": lambda m: m.mT,
    "matrix_add": torch.add,
    "matrix_subtract": torch.sub,
    "scale": torch.mul,
    "matrix_product": torch.matmul,
    "stack": lambda *matrices: torch.cat(matrices),
}
LEAVES = ("input", "given", "state", "parameter", "constant", "cotangent", "number")


def _join(*operands: Tensor) -> Tensor:
    operands = tuple(map(torch.atleast_1d, operands))  # a learned scalar has no dimension
    if len(operands) == 1:
        return operands[0]
    shape = torch.broadcast_shapes(*(operand.shape[:-1] for operand in operands))
    return torch.cat([operand.expand(*shape, operand.shape[-1]) for operand in operands], -1)


def _layer_norm(*operands: Tensor, epsilon: float) -> tuple[Tensor, ...]:
    joined = _join(*operands)
    normal = functional.layer_norm(joined, joined.shape[-1:], eps=epsilon)
    return normal.split([_units(operand) for operand in operands], -1)


def _units(operand: Tensor) -> int:
    return operand.shape[-1] if operand.dim() else 1


def _inverse_deviation(*operands: Tensor, epsilon: float) -> Tensor:
    return torch.rsqrt(_join(*operands).var(-1, unbiased=False, keepdim=True) + epsilon)


def _row_sum(*operands: Tensor) -> Tensor:
    return _join(*operands).sum(-1, keepdim=True)


def _unit_count(*operands: Tensor) -> Tensor:
    return operands[0].new_tensor(float(sum(map(_units, operands))))


def _block_diagonal(stored: Tensor, blocks: int) -> Tensor:
    """``(rows, columns / blocks)`` as stored becomes the full matrix with zeros."""
    return torch.block_diag(*stored.chunk(blocks, 0))


def _products(vector: Tensor, stacked: Tensor, *matrices: Tensor) -> tuple[Tensor, ...]:
    """Products of several matrices, and of the stack of them, with one vector."""
    joined = functional.linear(torch.atleast_1d(vector), stacked)
    return joined.split([matrix.shape[0] for matrix in matrices], -1)


def _product(vector: Tensor, matrix: Tensor) -> tuple[Tensor]:
    return (functional.linear(torch.atleast_1d(vector), matrix),)


def _one(function: Callable[..., Tensor], *operands: Tensor) -> tuple[Tensor]:
    return (function(*operands),)


@dataclass(frozen=True)
class Instruction:
    """One torch call: it reads some slots and writes others."""

    function: Callable[..., Sequence[Tensor]]
    reads: tuple[int, ...]
    writes: tuple[int, ...]


@dataclass
class Plan:
    """Expressions in an order in which they can be computed, each with a slot for its value.

    Built once for a graph; `run` fills a list of values, slot by slot.
    """

    slots: dict[Expression, int] = field(default_factory=dict)

    def slot(self, node: Expression) -> int:
        """The place of an expression's value."""
        return self.slots.setdefault(node, len(self.slots))

    def instructions(
        self, nodes: Iterable[Expression], products: Iterable[tuple[Expression, ...]]
    ) -> list[Instruction]:
        """The calls that compute `nodes`; products of one group become one call (see `stacks`)."""
        group_of = {node: group for group in products for node in group}
        done: set[Expression] = set()
        made = []
        for node in nodes:
            if node in done or node.operation in LEAVES:
                continue
            group = group_of.get(node) or self._siblings(node)
            made.append(self._instruction(node, group))
            done.update(group)
        return made

    @staticmethod
    def _siblings(node: Expression) -> tuple[Expression, ...]:
        """All parts of a layer norm: they are computed together."""
        if node.operation != "layer_norm":
            return (node,)
        epsilon = node.attributes[1]
        return tuple(
            type(node)("layer_norm", node.operands, (part, epsilon))
            for part in range(len(node.operands))
        )

    def stacks(self, products: Iterable[tuple[Expression, ...]]) -> list[Instruction]:
        """The calls that stack the matrices of each group, to be made before any step."""
        return self.instructions([_stack(group) for group in products if len(group) > 1], ())

    def _instruction(self, node: Expression, group: tuple[Expression, ...]) -> Instruction:
        writes = tuple(map(self.slot, group))
        if node.operation == "product":
            matrices = [product.operands[0] for product in group]
            factors = matrices if len(group) == 1 else [_stack(group), *matrices]
            reads = tuple(map(self.slot, (node.operands[1], *factors)))
            return Instruction(_product if len(group) == 1 else _products, reads, writes)
        reads = tuple(map(self.slot, node.operands))
        if node.operation == "layer_norm":
            return Instruction(partial(_layer_norm, epsilon=node.attributes[1]), reads, writes)
        return Instruction(partial(_one, _function(node)), reads, writes)

    def values(self) -> list[Any]:
        """An empty place for every slot."""
        return [None] * len(self.slots)


def _stack(group: tuple[Expression, ...]) -> Expression:
    """The matrices of a group of products, one above the other."""
    return Matrix("stack", [product.operands[0] for product in group])


def _function(node: Expression) -> Callable[..., Tensor]:
    match node.operation:
        case "block_diagonal":
            return partial(_block_diagonal, blocks=node.attributes[0])
        case "inverse_deviation":
            return partial(_inverse_deviation, epsilon=node.attributes[0])
        case "row_sum":
            return _row_sum
        case "unit_count":
            return _unit_count
    return TORCH[node.operation]


def run(instructions: Iterable[Instruction], values: list[Any]) -> None:
    """Compute every instruction, reading and writing `values`."""
    for instruction in instructions:
        results = instruction.function(*[values[k] for k in instruction.reads])
        for k, result in zip(instruction.writes, results, strict=True):
            values[k] = result


def constants(
    nodes: Iterable[Expression], named: Mapping[str, float], like: Tensor
) -> dict[Expression, Tensor]:
    """Numbers and named constants as tensors without dimensions."""
    found = {}
    for node in nodes:
        if node.operation == "number":
            found[node] = torch.tensor(node.attributes[0], dtype=like.dtype, device=like.device)
        elif node.operation == "constant":
            found[node] = torch.tensor(named[node.name], dtype=like.dtype, device=like.device)
    return found
