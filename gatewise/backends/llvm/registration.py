"""A recurrence as an operator of torch, ``torch.ops.gatewise.recurrence``, for traced programs.

`torch.compile` and `torch.export` record calls and know of a call only its shapes and its
derivative. So the operator is told everything by value: the graph, its sizes and its direction are
a JSON document, and a text names the weights that each tensor holds. An exported program needs
nothing else to run elsewhere. Without tracing, kernels are called directly, with less ado.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, library

from gatewise.backends.llvm.selection import fitted, kernel_for
from gatewise.backends.recurrence import (
    ADDED,
    Operands,
    Recurrence,
    Stacked,
    Stacking,
    read_recurrence,
)
from gatewise.backends.reference import ReferenceBackend

if TYPE_CHECKING:
    from gatewise.backends.llvm.operation import Call

LIBRARY = library.Library("gatewise", "DEF")
LIBRARY.define(
    "recurrence(str recurrence, str[] members, bool training, bool[] wanted, Tensor[] tensors)"
    " -> Tensor[]"
)
LIBRARY.define(
    "recurrence_backward(str recurrence, str[] members, bool[] wanted, Tensor[] tensors, "
    "Tensor y, Tensor kept, Tensor dy, Tensor[] flows) -> Tensor[]"
)


def run_operator(
    recurrence: Recurrence, operands: Operands, training: bool
) -> tuple[Tensor, dict[str, Tensor]]:
    """Run a recurrence while torch traces: the output and the last states."""
    graph = recurrence.graph
    parameters = Stacked.of(operands.parameters)
    B = operands.x.shape[1]
    tensors = [
        *(operands.inputs[name] for name in graph.inputs),
        *(operands.states[name] for name in graph.states),
        *(operands.givens[name].expand(B, -1) for name in graph.givens),
        *parameters.tensors,
    ]
    wanted = [training and operands.inputs[name].requires_grad for name in graph.inputs]
    members = [" ".join(names) for names in parameters.stacking.members]
    operator = torch.ops.gatewise.recurrence
    y, *last, _ = operator(recurrence.document, members, training, wanted, tensors)
    return y, dict(zip(graph.states, last, strict=True))


def _call(
    document: str,
    members: Sequence[str],
    training: bool,
    wanted: Sequence[bool],
    tensors: Sequence[Tensor],
) -> tuple[Call, list[Tensor]]:
    """The kernel's call, and its tensors."""
    from gatewise.backends.llvm.operation import Call

    recurrence = read_recurrence(document)
    if recurrence.products:
        T, B = tensors[0].shape[:2]
        recurrence = fitted(recurrence, T, B, tensors[0].dtype)
    graph = recurrence.graph
    inputs, states, givens, parameters = _split(recurrence, tensors)
    names = tuple(n for n, want in zip(graph.inputs, wanted, strict=True) if want)
    kernel = kernel_for(recurrence, tensors[0].dtype, training, names)
    operands = Operands(
        dict(zip(graph.inputs, inputs, strict=True)),
        dict(zip(graph.states, states, strict=True)),
        Stacked(parameters, _stacking(recurrence, members, parameters)),
        dict(zip(graph.givens, givens, strict=True)),
    )
    return Call.of(kernel, recurrence, operands)


def _stacking(
    recurrence: Recurrence, members: Sequence[str], tensors: Sequence[Tensor]
) -> Stacking:
    """How the weights are stored."""
    names = tuple(tuple(each.split()) for each in members)
    shapes = tuple(
        (tensor.shape[0] // len(each), *tensor.shape[1:])
        if recurrence.graph.parameters[each[0].removeprefix(ADDED)].shape
        else ()
        for each, tensor in zip(names, tensors, strict=True)
    )
    return Stacking(names, shapes)


def _split(recurrence: Recurrence, tensors: Sequence[Tensor]) -> list[Sequence[Tensor]]:
    graph, kinds, start = recurrence.graph, [], 0
    for names in (graph.inputs, graph.states, graph.givens):
        kinds.append(tensors[start : start + len(names)])
        start += len(names)
    return [*kinds, tensors[start:]]


@library.impl(LIBRARY, "recurrence", "CPU")
def _forward(
    recurrence: str, members: list[str], training: bool, wanted: list[bool], tensors: list[Tensor]
) -> list[Tensor]:
    """The output, the last states, and what the backward pass reads."""
    with torch.no_grad():
        call, flat = _call(recurrence, members, training, wanted, tensors)
        if 0 in tensors[0].shape[:2] or call.kernel.mistrusted:
            found = ReferenceBackend().run(call.recurrence, call.operands(flat))
            y, last = found.output, [state.clone() for state in found.states.values()]
            kept = y.new_empty(call.kernel.kept_elements(*y.shape[:2]))
        else:
            y, last, kept = call.forward(flat)
    return [y, *last, kept if training else y.new_empty(0)]


@library.impl(LIBRARY, "recurrence_backward", "CPU")
def _backward(
    recurrence: str,
    members: list[str],
    wanted: list[bool],
    tensors: list[Tensor],
    y: Tensor,
    kept: Tensor,
    dy: Tensor,
    flows: list[Tensor],
) -> list[Tensor]:
    """A gradient for every tensor; zeros where there is none."""
    from gatewise.backends.llvm.operation import through_reference

    with torch.enable_grad():  # weights may be computed from the parameters
        learned = [tensor.detach().requires_grad_() for tensor in tensors]
        call, flat = _call(recurrence, members, True, wanted, learned)
    with torch.no_grad():
        if 0 in y.shape[:2] or call.kernel.mistrusted:
            found = call.without_expressions(through_reference(call, flat, dy, flows))
        else:
            found = call.backward([t.detach() for t in flat], y, kept, dy, flows)
            if call.stacking is None:
                found = _through_expressions(call, learned, flat, found)
    return [torch.zeros_like(t) if g is None else g for t, g in zip(tensors, found, strict=True)]


def _through_expressions(
    call: Call, learned: Sequence[Tensor], flat: Sequence[Tensor], found: Sequence[Tensor | None]
) -> list[Tensor | None]:
    """Gradients of parameters, from those of the expressions that kernels read."""
    *operands, sources, _ = call.split(flat)
    first = sum(map(len, operands))
    gradients = found[first : first + len(sources)]
    ends = [
        (value, gradient)
        for value, gradient in zip(sources, gradients, strict=True)
        if gradient is not None and value.requires_grad
    ]
    own = torch.autograd.grad(
        [value for value, _ in ends],
        learned[first:],
        [gradient for _, gradient in ends],
        allow_unused=True,
    )
    return [*found[:first], *own]


@library.register_fake("gatewise::recurrence", lib=LIBRARY)
def _forward_shapes(
    recurrence: str, members: list[str], training: bool, wanted: list[bool], tensors: list[Tensor]
) -> list[Tensor]:

    read = read_recurrence(recurrence)
    x = tensors[0]
    T, B = x.shape[:2]
    made = [x.new_empty(T, B, read.output_size)]
    made += [x.new_empty(B, read.state_size(name)) for name in read.graph.states]
    if not training:
        return [*made, x.new_empty(0)]
    names = tuple(n for n, want in zip(read.graph.inputs, wanted, strict=True) if want)
    kernel = kernel_for(read, x.dtype, True, names)
    return [*made, x.new_empty(kernel.kept_elements(T, B))]


@library.register_fake("gatewise::recurrence_backward", lib=LIBRARY)
def _backward_shapes(
    recurrence: str,
    members: list[str],
    wanted: list[bool],
    tensors: list[Tensor],
    y: Tensor,
    kept: Tensor,
    dy: Tensor,
    flows: list[Tensor],
) -> list[Tensor]:
    return [torch.empty_like(tensor) for tensor in tensors]


def _keep(ctx: Any, inputs: tuple, output: list[Tensor]) -> None:
    recurrence, members, training, wanted, tensors = inputs
    if not training:
        raise RuntimeError("a recurrence that was traced without gradients has none.")
    ctx.recurrence, ctx.members, ctx.wanted = recurrence, members, wanted
    # an exported program may be given what needs a gradient where the traced input needed none
    ctx.unforeseen = any(
        tensor.requires_grad and not want for tensor, want in zip(tensors, wanted, strict=False)
    )
    ctx.save_for_backward(*tensors, output[0], output[-1])


def _derive(ctx: Any, gradients: list[Tensor]) -> tuple:
    from gatewise.backends.llvm.operation import through_reference

    *tensors, y, kept = ctx.saved_tensors
    dy, *flows, _ = gradients
    states = _split(read_recurrence(ctx.recurrence), tensors)[1]
    dy = torch.zeros_like(y) if dy is None else dy
    flows = [
        torch.zeros_like(state) if flow is None else flow
        for state, flow in zip(states, flows, strict=True)
    ]
    # create_graph: derivatives of derivatives are the equations'
    if torch.is_grad_enabled() or ctx.unforeseen:
        call, flat = _call(ctx.recurrence, ctx.members, True, ctx.wanted, tensors)
        again = call.without_expressions(through_reference(call, flat, dy, flows))
        pairs = zip(tensors, again, strict=True)
        found = [torch.zeros_like(t) if g is None else g for t, g in pairs]
    else:
        found = torch.ops.gatewise.recurrence_backward(
            ctx.recurrence, ctx.members, ctx.wanted, tensors, y, kept, dy, flows
        )
    members = None if ctx.members else []  # torch takes [] for a list of tensors
    return None, members, None, None, found


library.register_autograd("gatewise::recurrence", _derive, setup_context=_keep, lib=LIBRARY)
