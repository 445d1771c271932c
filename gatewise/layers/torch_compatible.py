"""`LSTM`, `GRU` and `RNN` with torch's signature, parameters, results and errors.

Where nothing but torch's semantics is asked for, torch's own fused operator runs; under
``use_backend("reference")``, and with `lengths` or `reset`, the equations do.
"""

from __future__ import annotations

from collections.abc import Sequence as Items
from dataclasses import fields
from functools import cached_property
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gatewise import cells
from gatewise.backends import Recurrence, Stacked
from gatewise.backends.choose import TORCH
from gatewise.backends.explanation import Explanation, explain
from gatewise.equations import Cell
from gatewise.equations.rewrite import without_bias
from gatewise.layers.direct import Lane, directly
from gatewise.layers.layer import RecurrentLayer
from gatewise.layers.options import Options
from gatewise.layers.precision import in_own_precision, without_autocast
from gatewise.layers.sequence import Sequence, arrange
from gatewise.layers.torch_operator import operator_reason, run_operator
from gatewise.layers.torch_weights import STORED, named_weights, weights_stacking
from gatewise.layers.tracing import packed_untraced
from gatewise.layers.weights import Initialization


class _Layer(RecurrentLayer, nn.RNNBase):
    """What the three layers share: states in torch's form, and which operator runs."""

    kind: ClassVar[str]
    states: tuple[str, ...] = ("h",)
    cell: Cell

    def __init__(
        self,
        mode: str,
        *args: Any,
        forget_bias: float | None = None,
        chrono: float | None = None,
        **kwargs: Any,
    ):
        own = {each.name for each in fields(Options)} & kwargs.keys()
        options = Options(**{name: kwargs.pop(name) for name in own})
        super().__init__(mode, *args, **kwargs)
        self.options = options
        self.cell = self._find_cell()
        self.graph = self.cell.graph if self.bias else without_bias(self.cell.graph)
        self._initialization = Initialization({}, forget_bias, chrono)
        self._initialization.check(self.graph)
        rows = self.recurrences()
        options.check(self.graph, [row[0].output_size * len(row) for row in rows])
        weight = getattr(self, self._flat_weights_names[0])
        self._add_parameters(weight.device, weight.dtype)
        self._initialize_biases()
        self._reset_added()

    def reset_parameters(self) -> None:
        """Draw initial values anew: torch's, then what forget_bias or chrono says."""
        super().reset_parameters()
        if hasattr(self, "_initialization"):  # torch's constructor calls this before there are any
            self._initialize_biases()
            self._reset_added()

    def extra_repr(self) -> str:
        """What print(layer) shows."""
        own = [f"{name}={value}" for name, value in self.options.changed().items()]
        return ", ".join([super().extra_repr(), *own])

    def _find_cell(self) -> Cell:
        raise NotImplementedError

    @torch.no_grad()
    def _initialize_biases(self) -> None:
        """Forget biases go to bias_ih; bias_hh, which is added to it, is then zero for the gate."""
        options = self._initialization
        if options.forget_bias is None and options.chrono is None:
            return
        for layer, recurrence in self._each():
            suffix = f"_l{layer}" + ("_reverse" if recurrence.reverse else "")
            weights = self.weights(layer, recurrence.reverse)
            summed = {n: v.clone() for n, v in weights.items() if n.startswith("b.")}
            before = {name: value.clone() for name, value in summed.items()}
            options.forget_biases(self.graph, summed)
            for k, gate in enumerate(self.gates):
                name = f"b.{gate}"
                if not torch.equal(summed[name], before[name]):
                    rows = slice(k * self.hidden_size, (k + 1) * self.hidden_size)
                    getattr(self, f"bias_ih{suffix}")[rows] = summed[name]
                    getattr(self, f"bias_hh{suffix}")[rows] = 0.0

    @property
    def gates(self) -> str:
        """Gate letters in the order in which torch stacks them."""
        return {"LSTM": "ifgo", "GRU": "rzn", "RNN": "h"}[self.kind]

    def weights(self, layer: int = 0, reverse: bool = False) -> Stacked:
        """Every weight by its name in the equations; ``b.f`` is the sum of torch's two biases."""
        suffix = f"_l{layer}" + ("_reverse" if reverse else "")
        if not 0 <= layer < self.num_layers or (reverse and not self.bidirectional):
            raise IndexError(
                f"no layer {layer}{' in reverse' if reverse else ''}: there are "
                f"{self.num_layers} layers in {2 if self.bidirectional else 1} direction(s)."
            )
        stored = {name: getattr(self, name + suffix) for name in self._stored_names}
        return named_weights(self.gates, stored, self.graph)

    @property
    def _stored_names(self) -> list[str]:
        absent = set() if self.bias else {"bias_ih", "bias_hh"}
        absent |= set() if self.proj_size else {"weight_hr"}
        return [name for name in STORED if name not in absent]

    def stored_weights(self, layer: int, reverse: bool) -> Stacked:
        """Every weight by its name in the equations, as it is stored."""
        return self.weights(layer, reverse)

    def recurrences(self) -> list[list[Recurrence]]:
        """One step, its sizes and direction: by layer, then direction."""
        return self._recurrences

    @cached_property
    def _recurrences(self) -> list[list[Recurrence]]:
        made: list[list[Recurrence]] = []
        I = self.input_size
        for _ in range(self.num_layers):
            sizes = {"I": I, "H": self.hidden_size, "P": self.proj_size or self.hidden_size}
            directions = (False, True)[: 2 if self.bidirectional else 1]
            row = [Recurrence(self.graph, sizes, reverse) for reverse in directions]
            made.append(row)
            I = row[0].output_size * len(row)
        return made

    def lanes(self) -> list[list[Lane]]:
        """What plain calls run: by layer, then direction."""
        return [
            [self._lane(layer, recurrence) for recurrence in row]
            for layer, row in enumerate(self._recurrences)
        ]

    def _lane(self, layer: int, recurrence: Recurrence) -> Lane:
        suffix = f"_l{layer}" + ("_reverse" if recurrence.reverse else "")
        rows = len(self.gates) * self.hidden_size
        read, said = recurrence.sizes["I"], recurrence.sizes["P"]
        every = ((rows, read), (rows, said), (said, self.hidden_size), (rows,), (rows,))
        shapes = {
            name: s for name, s in zip(STORED, every, strict=True) if name in self._stored_names
        }
        stacking = weights_stacking(self.gates, tuple(shapes), tuple(shapes.values()), self.graph)
        starts = tuple((recurrence.state_size(name), 0.0) for name in self.states)
        stored = tuple((name + suffix, torch.Size(shape)) for name, shape in shapes.items())
        return Lane(recurrence, stored, stacking, starts)

    def packed_state(self, last: Items[Items[Tensor]]) -> Any:
        """The last states in torch's form, from those of each layer and direction."""
        if len(last) == 1:
            fields = tuple(value.unsqueeze(0) for value in last[0])
        else:
            fields = tuple(torch.stack(values) for values in zip(*last, strict=True))
        return fields[0] if len(fields) == 1 else fields

    @directly
    @packed_untraced
    @in_own_precision
    def forward(
        self, input: Any, hx: Any = None, *, lengths: Any = None, reset: Tensor | None = None
    ) -> tuple[Any, Any]:
        """Run the sequence, as torch's layer of the same name does.

        Args:
            input: ``(T, B, I)``, ``(B, T, I)`` with batch_first, ``(T, I)``, or a PackedSequence.
            hx: the state to start from, ``(layers · directions, B, size)`` (for the LSTM a pair);
                the initial state where left out: zeros, unless it is learned.
            lengths: how many steps of each sequence count: whole numbers ``(B,)``; or which: a
                mask ``(T, B)`` in the order of the input, padded on either side.
            reset: bool ``(T, B)``: before these steps the state returns to its initial value.

        Returns:
            The output and the last state, in torch's shapes.
        """
        sequence = arrange(input, self.batch_first, lengths, self.kind)
        self._check(sequence)
        state = None if hx is None else self._checked_state(hx, sequence)
        marked = lengths is not None or reset is not None
        marked = marked or self.options.beyond_torch(self.training)
        reason = operator_reason(self, sequence, marked)
        if reason is not None:
            start = self._start(sequence) if state is None else state
            device = sequence.data.device.type
            y, last = without_autocast(self, device, lambda: run_operator(self, sequence, start))
            explain(Explanation(f"{self.kind}, all layers", TORCH, reason))
        else:
            y, last = self._run_equations(sequence, state, reset)
        if not sequence.batched:
            last = tuple(part.squeeze(1) for part in last)
        elif self.options.state_batch_first:
            last = tuple(part.transpose(0, 1) for part in last)
        return y, last[0] if len(last) == 1 else last

    def _run_equations(
        self, sequence: Sequence, state: tuple[Tensor, ...] | None, reset: Any
    ) -> tuple[Any, tuple[Tensor, ...]]:
        states = None
        if state is not None:
            named = zip(self.states, (part.unbind() for part in state), strict=True)
            columns = dict(named)
            states = [
                {name: parts[k] for name, parts in columns.items()} for k in range(len(state[0]))
            ]
        y, last = self._run_layers(sequence, states, reset, self.dropout)
        stacked = tuple(torch.stack([row[name] for row in last]) for name in self.states)
        return sequence.restore(y), stacked

    # -- checks, in torch's kinds of errors

    def _check(self, sequence: Sequence) -> None:
        x, dtype = sequence.data, next(self.parameters(), sequence.data).dtype
        if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
            raise ValueError(
                f"RNN input dtype ({x.dtype}) does not match weight dtype ({dtype}). Convert "
                f"input: input.to({dtype}), or convert model: model.to({x.dtype})"
            )
        if x.shape[-1] != self.input_size:
            raise RuntimeError(
                "input.size(-1) must be equal to input_size. Expected "
                f"{self.input_size}, got {x.shape[-1]}"
            )
        if sequence.steps == 0:
            raise RuntimeError("Expected sequence length to be larger than 0 in RNN")

    def _shapes(self, batch: int) -> list[tuple[int, int, int]]:
        """The shape of each state."""
        rows = self.num_layers * (2 if self.bidirectional else 1)
        sizes = dict.fromkeys(self.states, self.hidden_size)
        sizes["h"] = self.proj_size or self.hidden_size
        return [(rows, batch, sizes[name]) for name in self.states]

    def _start(self, sequence: Sequence) -> tuple[Tensor, ...]:
        """The initial state in torch's form."""
        if not self.options.learn_initial:
            return tuple(sequence.data.new_zeros(shape) for shape in self._shapes(sequence.batch))
        rows = self._initial_states(sequence.batch, sequence.data)
        return tuple(torch.stack([row[name] for row in rows]) for name in self.states)

    def _checked_state(self, hx: Any, sequence: Sequence) -> tuple[Tensor, ...]:
        given = (hx,) if isinstance(hx, Tensor) else tuple(hx)
        if len(given) != len(self.states):
            raise RuntimeError(
                f"{self.kind}: the state is ({', '.join(self.states)}); got {len(given)} tensors."
            )
        dims = 3 if sequence.batched else 2
        if any(part.dim() != dims for part in given):
            raise RuntimeError(
                f"For {'batched 3-D' if sequence.batched else 'unbatched 2-D'} input, hx should "
                f"also be {dims}-D but got {'-D, '.join(str(p.dim()) for p in given)}-D tensor"
            )
        if not sequence.batched:
            state = tuple(part.unsqueeze(1) for part in given)
        elif self.options.state_batch_first:
            state = tuple(part.transpose(0, 1).contiguous() for part in given)
        else:
            state = given
        for expected, part in zip(self._shapes(sequence.batch), state, strict=True):
            if tuple(part.shape) != expected:
                raise RuntimeError(f"Expected hidden size {expected}, got {list(part.shape)}")
        return state


class LSTM(_Layer):
    """`torch.nn.LSTM`, drop-in: the same signature, state_dict, initial values and results.

    Args:
        *args: as in torch: input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, proj_size, device, dtype; by position or by name.
        **kwargs: likewise; besides, `forget_bias` (initial value of every forget gate's bias) and
            `chrono` (longest dependency in steps; Tallec & Ollivier 2018).

    Shapes:
        input ``(T, B, I)``; output ``(T, B, D · P)``; state h ``(layers · D, B, P)`` and c
        ``(layers · D, B, H)``, with P = H where proj_size is 0 and D directions.

    Memory, for each layer and direction where proj_size is 0, H and I counted in whole vectors (16
    numbers of float32 at most): training keeps 6 · T · B · H numbers, the output among them, until
    the backward pass. That adds T · B · I for the gradient of the input, three copies of the
    weights (six if they take up to 1 MiB), and for each of up to 256 rows (steps times sequences,
    one step at least) 13 · H + I. Inference keeps the output alone.

    Example:
        >>> import torch, gatewise as gw
        >>> layer = gw.LSTM(3, 5, num_layers=2)
        >>> layer.load_state_dict(torch.nn.LSTM(3, 5, num_layers=2).state_dict())
        <All keys matched successfully>
        >>> y, (h, c) = layer(torch.randn(7, 2, 3))
        >>> y.shape, h.shape
        (torch.Size([7, 2, 5]), torch.Size([2, 2, 5]))
    """

    kind = "LSTM"
    states = ("h", "c")

    def __init__(self, *args: Any, **kwargs: Any):
        super().__init__("LSTM", *args, **kwargs)

    def _find_cell(self) -> Cell:
        return cells.get("lstm_projection" if self.proj_size else "lstm")


class GRU(_Layer):
    """`torch.nn.GRU`, drop-in: the same signature, state_dict, initial values and results.

    Args:
        *args: as in torch: input_size, hidden_size, num_layers, bias, batch_first, dropout,
            bidirectional, device, dtype; by position or by name.
        **kwargs: likewise; besides, `forget_bias` and `chrono` for the update gate.

    Memory, as for `LSTM`: training keeps 5 · T · B · H numbers; the backward pass adds T · B · I,
    three copies of the weights, and for each of up to 256 rows 11 · H + 2 · I.

    Example:
        >>> import torch, gatewise as gw
        >>> y, h = gw.GRU(3, 5, bidirectional=True)(torch.randn(7, 2, 3))
        >>> y.shape, h.shape
        (torch.Size([7, 2, 10]), torch.Size([2, 2, 5]))
    """

    kind = "GRU"
    may_step_on_torch = True

    def __init__(self, *args: Any, **kwargs: Any):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        super().__init__("GRU", *_with_proj_size(args), **kwargs)

    def _find_cell(self) -> Cell:
        return cells.get("gru")


class RNN(_Layer):
    """`torch.nn.RNN`, drop-in: the same signature, state_dict, initial values and results.

    Args:
        *args: as in torch: input_size, hidden_size, num_layers, nonlinearity (``"tanh"`` or
            ``"relu"``), bias, batch_first, dropout, bidirectional, device, dtype.
        **kwargs: likewise.

    Memory, as for `LSTM`: training keeps T · B · H numbers, the output; the backward pass adds
    T · B · I, three copies of the weights, and for each of up to 256 rows 4 · H + I.

    Example:
        >>> import torch, gatewise as gw
        >>> y, h = gw.RNN(3, 5, nonlinearity="relu")(torch.randn(7, 2, 3))
        >>> y.shape, h.shape
        (torch.Size([7, 2, 5]), torch.Size([1, 2, 5]))
    """

    kind = "RNN"
    may_step_on_torch = True

    def __init__(self, *args: Any, **kwargs: Any):
        if "proj_size" in kwargs:
            raise ValueError("proj_size argument is only supported for LSTM, not RNN or GRU")
        if len(args) > 3:
            self.nonlinearity = args[3]
            args = (*args[:3], *args[4:])
        else:
            self.nonlinearity = kwargs.pop("nonlinearity", "tanh")
        if self.nonlinearity not in ("tanh", "relu"):
            raise ValueError(
                f"Unknown nonlinearity '{self.nonlinearity}'. Select from 'tanh' or 'relu'."
            )
        super().__init__(f"RNN_{self.nonlinearity.upper()}", *_with_proj_size(args), **kwargs)

    def _find_cell(self) -> Cell:
        return cells.get("rnn" if self.nonlinearity == "tanh" else "rnn_relu")


def _with_proj_size(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Torch's base class takes proj_size before device and dtype; GRU and RNN have none."""
    return (*args[:7], 0, *args[7:]) if len(args) > 7 else args
