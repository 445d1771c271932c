"""One step at a time: for decoders, agents and loops of one's own."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from gatewise import cells
from gatewise.backends import Operands, Recurrence, run
from gatewise.backends.choose import TORCH, asked_backend
from gatewise.equations import Cell
from gatewise.layers.recurrent import Recurrent
from gatewise.layers.torch_weights import named_weights


class Step(nn.Module):
    """One step of any cell, with autograd.

    Args:
        cell: a name of the catalogue, or a cell of your own.
        input_size: I.
        hidden_size: H.
        **options: those of `Recurrent` that make sense for one step: bias, proj_size, sizes,
            constants, initial, forget_bias, chrono, device, dtype.

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
        for name in ("num_layers", "bidirectional", "batch_first", "dropout", "residual"):
            if name in options:
                raise ValueError(f"{name} is for sequences; use gw.Recurrent for it.")
        self.recurrent = Recurrent(cell, input_size, hidden_size, **options)

    @property
    def cell(self) -> Cell:
        """The cell that is run."""
        return self.recurrent.cell

    def weights(self) -> dict[str, Tensor]:
        """Every weight by its name in the equations, as views."""
        return self.recurrent.weights()

    def forward(self, x: Tensor, state: Any = None, **inputs: Tensor) -> tuple[Tensor, Any]:
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
        steps = {name: value.unsqueeze(0) for name, value in inputs.items()}
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
        batched = input.dim() == 2
        x = input if batched else input.unsqueeze(0)
        given = [hx] if isinstance(hx, Tensor) else hx
        state = {
            name: x.new_zeros(x.shape[0], self.hidden_size)  # type: ignore[attr-defined]
            if given is None
            else given[k].reshape(x.shape[0], -1)
            for k, name in enumerate(self.states)
        }
        cell = self._equations()
        graph = cell.graph if self.bias else cell.graph.without_bias()  # type: ignore[attr-defined]
        sizes = {"I": self.input_size, "H": self.hidden_size}  # type: ignore[attr-defined]
        stored = dict(self.named_parameters())  # type: ignore[attr-defined]
        operands = Operands({"x": x.unsqueeze(0)}, state, named_weights(self.gates, stored, graph))
        last = run(Recurrence(graph, sizes), operands).states
        parts = tuple(last[name] if batched else last[name].squeeze(0) for name in self.states)
        return parts[0] if len(parts) == 1 else parts


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
