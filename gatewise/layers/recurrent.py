"""A layer of any cell: depth, direction, dropout, lengths and resets around its recurrence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from gatewise import cells
from gatewise.backends import Recurrence, Stacked
from gatewise.equations import Cell
from gatewise.equations.cell import Initial
from gatewise.equations.rewrite import without_bias
from gatewise.equations.size import size_number
from gatewise.layers.direct import Lane, directly
from gatewise.layers.layer import RecurrentLayer
from gatewise.layers.options import Options, warn_between_layers
from gatewise.layers.precision import in_own_precision
from gatewise.layers.regularizers import Zoneout
from gatewise.layers.sequence import arrange
from gatewise.layers.sizes import hidden_sizes, named_sizes
from gatewise.layers.state import pack_state, unpack_state
from gatewise.layers.tracing import packed_untraced
from gatewise.layers.weights import Initialization, Stack, initialize, stacking, stacks


class Recurrent(RecurrentLayer, nn.Module):
    """A recurrent layer of any cell, with the options of `torch.nn.LSTM` and more.

    Weights are stored per layer and direction, gates stacked: ``W_l0``, ``U_l0``, ``b_l0``,
    ``W_l0_reverse``, ...; `weights` names each gate's part.

    Args:
        cell: a name of the catalogue (``gatewise.cells.names()``), or a cell of your own.
        input_size: I, units of ``x``.
        hidden_size: H, or a list with one H per layer.
        num_layers: layers above each other; left out where `hidden_size` is a list.
        bias: False makes every bias ``b.k`` zero and no parameter.
        batch_first: input and output are ``(B, T, ·)`` instead of ``(T, B, ·)``; states stay
            ``(layers · directions, B, size)``, as in torch, without `state_batch_first`.
        dropout: probability of zeroing a number between layers, in training.
        bidirectional: a second recurrence runs from the end; outputs are joined.
        proj_size: the size P of cells that have one, such as ``lstm_projection``; 0 for H.
        residual: every layer after the first adds its input to its output.
        layer_norm: every layer after the first reads its input normalised over its units.
        input_dropout: probability of dropping a unit of each layer's input, in training; one mask
            ``(B, I)`` for all steps (Gal & Ghahramani 2016).
        recurrent_dropout: likewise of the states that recurrent products read.
        weight_drop: probability of dropping a single recurrent weight, in training (Merity et al.
            2018).
        zoneout: probability that a unit of a state keeps its last value, in training; evaluation
            takes the expectation (Krueger et al. 2017). One number, or by state: ``{"c": 0.5}``.
            Its masks take T · B · size numbers a state.
        learn_initial: initial states are parameters: ``initial_h_l0``, ...; at first what they
            would be otherwise.
        recompute: training on long sequences keeps the states every so many steps alone and
            computes what lies between again in the backward pass; True chooses about √T steps.
        state_batch_first: states are ``(B, layers · directions, size)``.
        sizes: numbers for other named sizes of the cell; each is H where left out.
        constants: other values for the cell's named constants.
        initial: initial values by parameter (``{"b.f": 1.0}``) or namespace
            (``{"U": "orthogonal"}``): a number, bounds ``(low, high)``, or the name of a rule for
            matrices (identity, orthogonal, xavier); by state (``{"c": 0.5}``): a number.
        forget_bias: initial bias of every forget gate.
        chrono: the longest dependency expected, in steps (Tallec & Ollivier 2018).
        device: where the parameters are made.
        dtype: of the parameters.

    Shapes:
        - x: ``(T, B, I)``, ``(B, T, I)`` with `batch_first`, ``(T, I)``, or a PackedSequence.
        - state: a named tuple with ``(layers · directions, B, size)`` per state of the cell; a
          tuple of ``(B, size)`` tensors per field where layers differ in size.
        - output: as x, with the size of the cell's output times the number of directions.

    Memory, for each layer and direction, units counted in whole vectors: training keeps
    T · B · (S + C + O) numbers until the backward pass, with S units of values saved (``explain``
    says how many values), C of states that are not the output, and O of the output; `recompute`
    keeps a seventh. The backward pass adds T · B · I for the gradient of the input, three copies of
    the weights (six if they take up to 1 MiB) and the work on up to 256 rows (steps times
    sequences). Inference keeps the output.

    Raises:
        KeyError: no cell has that name.
        ValueError: options that do not fit the cell; the message says which and what to do.

    Example:
        >>> import torch, gatewise as gw
        >>> layer = gw.Recurrent("peephole", 3, 5, num_layers=2, bidirectional=True)
        >>> y, state = layer(torch.randn(7, 2, 3))
        >>> y.shape, state.c.shape
        (torch.Size([7, 2, 10]), torch.Size([4, 2, 5]))
    """

    def __init__(
        self,
        cell: str | Cell,
        input_size: int,
        hidden_size: int | Sequence[int],
        num_layers: int | None = None,
        bias: bool = True,
        batch_first: bool = False,
        dropout: float = 0.0,
        bidirectional: bool = False,
        proj_size: int = 0,
        *,
        residual: bool = False,
        layer_norm: bool = False,
        input_dropout: float = 0.0,
        recurrent_dropout: float = 0.0,
        weight_drop: float = 0.0,
        zoneout: Zoneout = 0.0,
        learn_initial: bool = False,
        recompute: bool | int = False,
        state_batch_first: bool = False,
        sizes: Mapping[str, int] | None = None,
        constants: Mapping[str, Any] | None = None,
        initial: Mapping[str, Initial] | None = None,
        forget_bias: float | None = None,
        chrono: float | None = None,
        device: Any = None,
        dtype: torch.dtype | None = None,
    ):
        super().__init__()
        self.cell = cells.get(cell)
        if constants:
            self.cell = self.cell.with_constants(**constants)
        self.input_size, self.bias, self.batch_first = input_size, bias, batch_first
        self.hidden_sizes = hidden_sizes(hidden_size, num_layers)
        self.num_layers = len(self.hidden_sizes)
        self.bidirectional, self.dropout = bidirectional, float(dropout)
        self.options = Options(
            residual=residual,
            layer_norm=layer_norm,
            input_dropout=input_dropout,
            recurrent_dropout=recurrent_dropout,
            weight_drop=weight_drop,
            zoneout=zoneout,
            learn_initial=learn_initial,
            recompute=recompute,
            state_batch_first=state_batch_first,
        )
        self._sizes = named_sizes(self.cell, sizes, proj_size)
        self._initialization = Initialization(dict(initial or {}), forget_bias, chrono)
        self._derive()
        self._check_options()
        for layer in range(self.num_layers):
            for suffix in self._suffixes(layer):
                for stack in self._stacks[layer]:
                    weight = torch.empty(stack.stacked_shape, device=device, dtype=dtype)
                    self.register_parameter(stack.name + suffix, nn.Parameter(weight))
        self._add_parameters(device, dtype)
        self.reset_parameters()

    @property
    def hidden_size(self) -> int | tuple[int, ...]:
        """H; a tuple where layers differ."""
        same = len(set(self.hidden_sizes)) == 1
        return self.hidden_sizes[0] if same else self.hidden_sizes

    @property
    def output_size(self) -> int:
        """Units of the layer's output, both directions together."""
        return self._recurrences[-1][0].output_size * self.directions

    @property
    def directions(self) -> int:
        """1, or 2 where it is bidirectional."""
        return 2 if self.bidirectional else 1

    def weights(self, layer: int = 0, reverse: bool = False) -> dict[str, Tensor]:
        """Every weight of one layer and direction by its name in the equations, as views.

        Example:
            >>> import gatewise as gw
            >>> gw.Recurrent("lstm", 3, 5).weights()["U.f"].shape
            torch.Size([5, 5])
        """
        if not 0 <= layer < self.num_layers or (reverse and not self.bidirectional):
            raise IndexError(
                f"no layer {layer}{' in reverse' if reverse else ''}: there are "
                f"{self.num_layers} layers in {self.directions} direction(s), from 0."
            )
        return dict(self.stored_weights(layer, reverse))

    def stored_weights(self, layer: int, reverse: bool) -> Stacked:
        """Weights by their names in the equations, as they are stored."""
        suffix = self._suffixes(layer)[int(reverse)]
        tensors = [getattr(self, stack.name + suffix) for stack in self._stacks[layer]]
        return Stacked(tensors, self._stackings[layer])

    def reset_parameters(self) -> None:
        """Draw initial values anew: uniform in ±1/√H, then what the cell and the options say."""
        for layer, H in enumerate(self.hidden_sizes):
            for direction in range(self.directions):
                weights = self.weights(layer, bool(direction))
                initialize(self.cell, self.graph, weights, H, self._initialization)
        self._reset_added()

    def lanes(self) -> list[list[Lane]]:
        """What plain calls run: by layer, then direction."""
        return [
            [self._lane(layer, recurrence) for recurrence in row]
            for layer, row in enumerate(self._recurrences)
        ]

    def _lane(self, layer: int, recurrence: Recurrence) -> Lane:
        stored = self._stacks[layer]
        suffix = self._suffixes(layer)[int(recurrence.reverse)]
        starts = self.start_values(recurrence).items()
        return Lane(
            recurrence,
            tuple((stack.name + suffix, torch.Size(stack.stacked_shape)) for stack in stored),
            self._stackings[layer],
            tuple((recurrence.state_size(name), number) for name, number in starts),
        )

    def packed_state(self, last: Sequence[Sequence[Tensor]]) -> Any:
        """The last states as the caller gets them, from those of each layer and direction."""
        names = list(self.graph.states)
        return pack_state([dict(zip(names, each, strict=True)) for each in last], True)

    @directly
    @packed_untraced
    @in_own_precision
    def forward(
        self,
        x: Tensor | PackedSequence,
        state: Any = None,
        *,
        lengths: Any = None,
        reset: Tensor | None = None,
        **inputs: Tensor,
    ) -> tuple[Any, Any]:
        """Run the sequence.

        Args:
            x: ``(T, B, I)``, ``(B, T, I)``, ``(T, I)`` or a PackedSequence.
            state: what the last call returned, or None for the initial state; for a cell with one
                state a bare tensor will do.
            lengths: how many steps of each sequence count: whole numbers ``(B,)``, 0 and up, for
                right-padded sequences; or which: a mask, bool or 0 and 1, ``(T, B)`` in the order
                of x, padded on either side. Outputs in the padding are zero, the state passes it
                unchanged, and the reverse direction starts at each sequence's end.
            reset: bool ``(T, B)``, in the order of x: before these steps the state returns to its
                initial value.
            **inputs: what the cell reads besides x, such as ``dt`` as ``(T, B)``.

        Returns:
            The output and the last state.
        """
        sequence = arrange(x, self.batch_first, lengths, f"Recurrent({self.cell.name!r})")
        self._check_x(sequence.data)
        B, batched, first = sequence.batch, sequence.batched, self.options.state_batch_first
        if state is not None:
            rows = [recurrence for layer in self._recurrences for recurrence in layer]
            state = unpack_state(state, rows, B, batched, first)
        further = self._further_inputs(inputs, sequence)
        y, last = self._run_layers(sequence, state, reset, self.dropout, further)
        return sequence.restore(y), pack_state(last, batched, first)

    def recurrences(self) -> list[list[Recurrence]]:
        """One step, its sizes and direction: by layer, then direction."""
        return self._recurrences

    def start_values(self, recurrence: Recurrence) -> dict[str, float]:
        """The number that each state starts at, unless that is learned."""
        return {name: self._starts.get(name, 0.0) for name in recurrence.graph.states}

    def extra_repr(self) -> str:
        """What print(layer) shows."""
        parts = [repr(self.cell.name), str(self.input_size), str(self.hidden_size)]
        for name, plain in (
            ("num_layers", 1),
            ("bias", True),
            ("batch_first", False),
            ("dropout", 0.0),
            ("bidirectional", False),
        ):
            if getattr(self, name) != plain:
                parts.append(f"{name}={getattr(self, name)}")
        parts += [f"{name}={value}" for name, value in self.options.changed().items()]
        return ", ".join(parts)

    def __getstate__(self) -> dict[str, Any]:
        derived = ("graph", "_starts", "_recurrences", "_stacks", "_stackings")
        return {name: value for name, value in self.__dict__.items() if name not in derived}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self._derive()

    # -- construction

    def _derive(self) -> None:
        """What follows from the cell and the options, and is not stored with the layer."""
        self.graph = self.cell.graph if self.bias else without_bias(self.cell.graph)
        self._initialization.check(self.graph)
        self._starts = self._initialization.starts(self.cell, self.graph)
        self._recurrences = self._make_recurrences()
        self._stacks: list[list[Stack]] = [
            stacks(self.graph, layer[0].sizes) for layer in self._recurrences
        ]
        self._stackings = [stacking(made) for made in self._stacks]

    def _suffixes(self, layer: int) -> tuple[str, ...]:
        return (f"_l{layer}", f"_l{layer}_reverse")[: self.directions]

    def _check_options(self) -> None:
        if not 0 <= self.dropout <= 1:
            raise ValueError(f"dropout={self.dropout}: a probability between 0 and 1.")
        self.options.check(self.graph, [row[0].output_size * len(row) for row in self._recurrences])
        if self.dropout and self.num_layers == 1:
            warn_between_layers("dropout")
        shared = [name for name, size in self.graph.inputs.items() if name != "x" and size == "I"]
        if shared and self.num_layers > 1:
            raise ValueError(
                f"cell {self.cell.name!r} reads {', '.join(shared)} unit by unit with x, which "
                "only the first layer sees: use num_layers=1 and put other layers above it."
            )

    def _make_recurrences(self) -> list[list[Recurrence]]:
        made: list[list[Recurrence]] = []
        I = self.input_size
        if not isinstance(I, int) or I < 1:
            raise ValueError(f"input_size={I!r}: a whole number above zero.")
        for H in self.hidden_sizes:
            numbers = {**self._sizes, "I": I, "H": H}
            for a, c in self.graph.sizes.equal:
                if size_number(a, numbers) != size_number(c, numbers):
                    raise ValueError(
                        f"cell {self.cell.name!r} uses its input unit by unit, so {a} = {c} is "
                        f"needed, not {a} = {size_number(a, numbers)} and "
                        f"{c} = {size_number(c, numbers)}; put a Linear layer before it."
                    )
            wanted = size_number(self.graph.inputs["x"], numbers)
            if wanted != I:
                raise ValueError(f"cell {self.cell.name!r} reads {wanted} numbers, not {I}, as x.")
            layer = [Recurrence(self.graph, numbers, bool(d)) for d in range(self.directions)]
            made.append(layer)
            I = layer[0].output_size * self.directions
        return made

    # -- calls

    def _check_x(self, x: Tensor) -> None:
        if x.shape[-1] != self.input_size:
            raise RuntimeError(
                f"input.size(-1) must be equal to input_size. Expected {self.input_size}, "
                f"got {x.shape[-1]}"
            )
        dtype = next(self.parameters(), x).dtype
        if x.dtype != dtype and not torch.is_autocast_enabled(x.device.type):
            raise ValueError(
                f"the input is {x.dtype}, the weights are {dtype}: convert with x.to({dtype}) or "
                f"layer.to({x.dtype})."
            )

    def _further_inputs(self, inputs: Mapping[str, Tensor], sequence: Any) -> dict[str, Tensor]:
        wanted = [name for name in self.graph.inputs if name != "x"]
        if set(wanted) != set(inputs):
            raise TypeError(
                f"cell {self.cell.name!r} reads {', '.join(['x', *wanted])} at every step; "
                f"got {', '.join(['x', *inputs])}."
            )
        numbers = self._recurrences[0][0].sizes
        dtype = next(self.parameters(), sequence.data).dtype
        return {
            name: sequence.arrange(
                inputs[name], name, size_number(self.graph.inputs[name], numbers)
            ).to(dtype)
            for name in wanted
        }
