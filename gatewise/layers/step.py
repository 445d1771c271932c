"""One step at a time: for decoders, agents and loops of one's own."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from gatewise import cells
from gatewise.backends import Operands, Recurrence, run
from gatewise.backends.choose import TORCH, asked_backend
from gatewise.equations import Cell
from gatewise.equations.rewrite import without_bias
from gatewise.layers.recurrent import Recurrent
from gatewise.layers.torch_weights import named_weights

SEQUENCE_OPTIONS = (
    "num_layers",
    "bidirectional",
    "batch_first",
    "dropout",
    "residual",
    "layer_norm",
    "recompute",
    "state_batch_first",
)


class Step(nn.Module):
    """One step of any cell, with autograd.

    Args:
        cell: a name of the catalogue, or a cell of your own.
        input_size: I.
        hidden_size: H.
        **options: those of `Recurrent` that make sense for one step: bias, proj_size, sizes,
            constants, initial, learn_initial, forget_bias, chrono, device, dtype; and, drawn anew
            at every step, input_dropout, recurrent_dropout, weight_drop and zoneout.

    Shapes:
        - x: ``(B, I)`` or ``(I,)``.
        - state: a named tuple with ``(B, size)``, or ``(size,)``, per state of the cell.
        - output: ``(B, size)`` or ``(size,)``.

    Example:
        >>> import torch, gatewise as gw
        >>> step = gw.Step("peephole", 3, 5)
        >>> y, state = step(torch.randn(2, 3))
        >>> y, state = step(torch.randn(2, 3), state)
        >>> state.c.shape
        torch.Size([2, 5])
    """

    def __init__(self, cell: str | Cell, input_size: int, hidden_size: int, **options: Any):
        super().__init__()
        for name in SEQUENCE_OPTIONS:
            if name in options:
                raise ValueError(f"{name} is for sequences; use gw.Recurrent for it.")
        if not isinstance(hidden_size, int):
            raise ValueError(f"hidden_size={hidden_size!r}: one step has one layer, so one number.")
        self.recurrent = Recurrent(cell, input_size, hidden_size, **options)

    @property
    def cell(self) -> Cell:
        """The cell that is run."""
        return self.recurrent.cell

    def weights(self) -> dict[str, Tensor]:
        """Every weight by its name in the equations, as views."""
        return self.recurrent.weights()

    def forward(self, x: Tensor, state: Any = None, **inputs: Tensor | float) -> tuple[Tensor, Any]:
        """Run one step.

        Args:
            x: ``(B, I)`` or ``(I,)``.
            state: what the last step returned; None for the initial state.
            **inputs: what the cell reads besides x: ``(B,)`` or ``(B, size)``; without a batch a
                number or ``(size,)``.

        Returns:
            The output and the new state.
        """
        if x.dim() not in (1, 2):
            raise ValueError(f"Step: Expected input to be 1D or 2D, got {x.dim()}D instead")
        if state is not None:
            fields = (state,) if isinstance(state, Tensor) else state
            state = tuple(part.unsqueeze(0) for part in fields)
        steps = {
            name: torch.as_tensor(value, device=x.device).unsqueeze(0)
            for name, value in inputs.items()
        }
        y, last = self.recurrent(x.unsqueeze(0), state, **steps)
        return y.squeeze(0), type(last)(*(part.squeeze(0) for part in last))


class _Cell:
    """Torch's cell; the equations run under ``use_backend("reference")``."""

    gates: str
    states: tuple[str, ...] = ("h",)

    def _equations(self) -> Cell:
        raise NotImplementedError

    def forward(self, input: Tensor, hx: Any = None) -> Any:
        """One step, as torch's cell of the same name: x ``(B, I)`` or ``(I,)``, h ``(B, H)``."""
        if asked_backend() in (None, TORCH):
            return super().forward(input, hx)  # type: ignore[misc]
        x, state = self._checked(input, hx)
        cell = self._equations()
        graph = cell.graph if self.bias else without_bias(cell.graph)  # type: ignore[attr-defined]
        sizes = {"I": self.input_size, "H": self.hidden_size}  # type: ignore[attr-defined]
        stored = dict(self.named_parameters())  # type: ignore[attr-defined]
        operands = Operands({"x": x.unsqueeze(0)}, state, named_weights(self.gates, stored, graph))
        last = run(Recurrence(graph, sizes), operands).states
        parts = tuple(last[n] if input.dim() == 2 else last[n].squeeze(0) for n in self.states)
        return parts[0] if len(parts) == 1 else parts

    def _checked(self, input: Tensor, hx: Any) -> tuple[Tensor, dict[str, Tensor]]:
        """Input and state with a batch; what is wrong raises the kinds of errors torch does."""
        kind, I, H = type(self).__name__, self.input_size, self.hidden_size  # type: ignore[attr-defined]
        given: tuple[Tensor, ...] = (hx,) if isinstance(hx, Tensor) else tuple(hx or ())
        names = ["input", *(["hidden"] if len(self.states) == 1 else ["hx[0]", "hx[1]"])]
        for name, value in zip(names, (input, *given), strict=False):
            if value.dim() not in (1, 2):
                raise ValueError(
                    f"{kind}: Expected {name} to be 1D or 2D, got {value.dim()}D instead"
                )
        x = torch.atleast_2d(input)
        if x.shape[1] != I:
            raise RuntimeError(f"input has inconsistent input_size: got {x.shape[1]} expected {I}")
        if hx is None:
            return x, {name: x.new_zeros(x.shape[0], H) for name in self.states}
        if len(given) != len(self.states):
            raise RuntimeError(f"{kind} expects the states {', '.join(self.states)}")
        for k, value in enumerate(given):
            if value.shape[-1] != H:
                raise RuntimeError(
                    f"hidden{k} has inconsistent hidden_size: got {value.shape[-1]}, expected {H}"
                )
            if value.dim() != input.dim():
                raise RuntimeError(
                    f"the input is {input.dim()}D, so hidden{k} must be too; got {value.dim()}D"
                )
            if value.dim() == 2 and len(value) != len(x):
                raise RuntimeError(
                    f"Input batch size {len(x)} doesn't match hidden{k} batch size {len(value)}"
                )
        return x, dict(zip(self.states, map(torch.atleast_2d, given), strict=True))


class LSTMCell(_Cell, nn.LSTMCell):
    """`torch.nn.LSTMCell`, drop-in.

    Example:
        >>> import torch, gatewise as gw
        >>> h, c = gw.LSTMCell(3, 5)(torch.randn(2, 3))
        >>> h.shape
        torch.Size([2, 5])
    """

    gates = "ifgo"
    states = ("h", "c")

    def _equations(self) -> Cell:
        return cells.get("lstm")


class GRUCell(_Cell, nn.GRUCell):
    """`torch.nn.GRUCell`, drop-in."""

    gates = "rzn"

    def _equations(self) -> Cell:
        return cells.get("gru")


class RNNCell(_Cell, nn.RNNCell):
    """`torch.nn.RNNCell`, drop-in; `nonlinearity` is ``"tanh"`` or ``"relu"``."""

    gates = "h"

    def _equations(self) -> Cell:
        return cells.get("rnn" if self.nonlinearity == "tanh" else "rnn_relu")
