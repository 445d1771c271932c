"""Torch's recurrent operators, read as recurrences: what `nn.LSTM`, `nn.GRU`, `nn.RNN` call.

A layer of torch is one opaque operator. Its arguments say everything: weights, states, depth,
direction. So its equations can be run in its place, or after it, on the same numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol, runtime_checkable

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence
from torch.overrides import TorchFunctionMode

from gatewise import cells
from gatewise.backends import Recurrence
from gatewise.backends.interception import interceptors
from gatewise.equations.rewrite import without_bias
from gatewise.layers.depth import Marks, Passage, Track, run_tracks
from gatewise.layers.sequence import arrange
from gatewise.layers.torch_weights import named_weights


class Operator(NamedTuple):
    """What one of torch's operators computes.

    Attributes:
        cell: name of its equations.
        gates: the letters of its gates in the order in which torch stacks them.
        states: names of its states.
    """

    cell: str
    gates: str
    states: tuple[str, ...] = ("h",)


LSTM, GRU = Operator("lstm", "ifgo", ("h", "c")), Operator("gru", "rzn")
TANH, RELU = Operator("rnn", "h"), Operator("rnn_relu", "h")
SEQUENCES = {torch.lstm: LSTM, torch.gru: GRU, torch.rnn_tanh: TANH, torch.rnn_relu: RELU}
STEPS = {
    torch.lstm_cell: LSTM,
    torch.gru_cell: GRU,
    torch.rnn_tanh_cell: TANH,
    torch.rnn_relu_cell: RELU,
}


@dataclass(frozen=True)
class TorchCall:
    """One call of an operator.

    Attributes:
        tracks: the recurrences with their weights, by layer, then direction.
        x: ``(T, B, I)``.
        states: where each layer and direction starts from, ``(B, size)`` by name, in order.
        alive: ``(T, B, 1)``: which steps count; None where all do.
        dropout: the probability of dropout between layers that is at work; 0 in evaluation.
        answer: an output ``(T, B, size)`` and last states as the operator returns them.
    """

    tracks: list[list[Track]]
    x: Tensor
    states: list[dict[str, Tensor]]
    alive: Tensor | None
    dropout: float
    answer: Callable[[Tensor, list[dict[str, Tensor]]], Any]

    def run_equations(self) -> Any:
        """What the operator would return, computed by the equations."""
        zeros = [{n: torch.zeros_like(v) for n, v in row.items()} for row in self.states]
        passage = Passage(training=self.dropout > 0, dropout=self.dropout, marks=Marks(self.alive))
        y, last = run_tracks(self.tracks, self.x, {}, self.states, zeros, passage)
        return self.answer(y, last)


@runtime_checkable
class Watch(Protocol):
    """An interceptor that also cares for torch's operators."""

    def needs_equations(self, call: TorchCall) -> bool:
        """Whether the equations must run in the operator's place."""
        ...

    def saw_operator(self, call: TorchCall) -> None:
        """The operator ran."""
        ...


class TorchOperators(TorchFunctionMode):
    """Inside this mode, the active interceptors see the calls of torch's recurrent operators.

    Args:
        packed: the PackedSequence that the layer was called with, for the order of its rows.
    """

    def __init__(self, packed: PackedSequence | None = None):
        super().__init__()
        self.packed = packed

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Hand the operators to the interceptors, everything else to torch."""
        if func not in SEQUENCES and func not in STEPS:
            return func(*args, **(kwargs or {}))
        watches = [each for each in interceptors() if isinstance(each, Watch)]
        if func in STEPS:
            call = _read_step(STEPS[func], *args)
        else:
            call = _read_sequence(SEQUENCES[func], self.packed, *args)
        if any(watch.needs_equations(call) for watch in watches):
            return call.run_equations()
        result = func(*args)
        for watch in watches:
            watch.saw_operator(call)
        return result


def _read_sequence(operator: Operator, packed: PackedSequence | None, *args: Any) -> TorchCall:
    """The arguments of ``lstm(input, hx, weights, bias, num_layers, dropout, training, ...)``.

    A packed sequence comes as ``lstm(data, batch_sizes, hx, weights, ...)`` with sorted rows.
    """
    if isinstance(args[3], bool):
        x, hx, weights, *options, batch_first = args
        sequence = arrange(x, batch_first)
        order = back = None
    else:
        data, batch_sizes, hx, weights, *options = args
        order = None if packed is None else packed.sorted_indices
        back = None if packed is None else packed.unsorted_indices
        sequence = arrange(PackedSequence(data, batch_sizes, order, back), False)
    bias, num_layers, dropout, training, bidirectional = options
    stacked = [hx] if isinstance(hx, Tensor) else list(hx)
    starts = [part if back is None else part.index_select(1, back) for part in stacked]
    directions = 2 if bidirectional else 1
    rows = num_layers * directions

    def answer(y: Tensor, last: list[dict[str, Tensor]]) -> tuple[Tensor, ...]:
        ends = [torch.stack([row[name] for row in last]) for name in operator.states]
        if order is not None:
            ends = [part.index_select(1, order) for part in ends]
        restored = sequence.restore(y)
        return (restored.data if isinstance(restored, PackedSequence) else restored, *ends)

    each = len(weights) // rows
    flat = [weights[k * each : (k + 1) * each] for k in range(rows)]
    return TorchCall(
        _tracks(operator, flat, bool(bias), directions),
        sequence.x,
        [
            dict(zip(operator.states, [part[k] for part in starts], strict=True))
            for k in range(rows)
        ],
        sequence.alive,
        float(dropout) if training and num_layers > 1 else 0.0,
        answer,
    )


def _read_step(operator: Operator, x: Tensor, hx: Any, *weights: Tensor | None) -> TorchCall:
    """The arguments of ``lstm_cell(input, hx, w_ih, w_hh, b_ih, b_hh)``."""
    starts = [hx] if isinstance(hx, Tensor) else list(hx)
    given = [weight for weight in weights if weight is not None]

    def answer(_: Tensor, last: list[dict[str, Tensor]]) -> Any:
        ends = tuple(last[0][name] for name in operator.states)
        return ends[0] if len(ends) == 1 else ends

    return TorchCall(
        _tracks(operator, [given], len(given) > 2),
        x.unsqueeze(0),
        [dict(zip(operator.states, starts, strict=True))],
        None,
        0.0,
        answer,
    )


def torch_tracks(module: nn.Module) -> list[list[Track]]:
    """The recurrences of `nn.LSTM`, `nn.GRU`, `nn.RNN` or one of their cells."""
    if isinstance(module, nn.RNNBase):
        operator = SEQUENCES[getattr(torch, module.mode.lower())]
        directions = 2 if module.bidirectional else 1
        rows = [[getattr(module, name) for name in row] for row in module._all_weights]
        return _tracks(operator, rows, module.bias, directions)
    kind = {nn.LSTMCell: LSTM, nn.GRUCell: GRU, nn.RNNCell: TANH}
    operator = next(each for cell, each in kind.items() if isinstance(module, cell))
    if getattr(module, "nonlinearity", "tanh") == "relu":
        operator = RELU
    return _tracks(operator, [list(module.parameters())], bool(module.bias))


def _tracks(
    operator: Operator, rows: Sequence[Sequence[Tensor]], bias: bool, directions: int = 1
) -> list[list[Track]]:
    """The recurrences of flat weights, by layer, then direction."""
    made: list[list[Track]] = []
    for k, row in enumerate(rows):
        stored = _stored(row, bias)
        graph = cells.get("lstm_projection" if "weight_hr" in stored else operator.cell).graph
        graph = graph if bias else without_bias(graph)
        sizes = {
            "I": stored["weight_ih"].shape[1],
            "H": stored["weight_ih"].shape[0] // len(operator.gates),
            "P": stored["weight_hh"].shape[1],
        }
        layer, direction = divmod(k, directions)
        weights = named_weights(operator.gates, stored, graph)
        track = Track(Recurrence(graph, sizes, bool(direction)), weights, layer)
        if direction:
            made[-1].append(track)
        else:
            made.append([track])
    return made


def _stored(row: Sequence[Tensor], bias: bool) -> Mapping[str, Tensor]:
    names = ["weight_ih", "weight_hh", *(("bias_ih", "bias_hh") if bias else ()), "weight_hr"]
    return dict(zip(names, row, strict=False))
