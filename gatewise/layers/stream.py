"""Step by step through an endless sequence: sensors, audio, agents."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gatewise.backends.llvm.selection import ELEMENTS
from gatewise.layers.depth import Track
from gatewise.layers.state import States, unpack_state
from gatewise.layers.state_file import FilePath, load_arrays, save_arrays


class Stream:
    """A session of a layer that goes one step at a time and allocates nothing per step.

    Weights are packed when the session starts; call `refresh` after changing them. There is no
    dropout and no gradient. Made by ``layer.stream(batch_size)``.

    Example:
        >>> import numpy as np, torch, gatewise as gw
        >>> layer, x = gw.GRU(3, 5), torch.randn(4, 1, 3)
        >>> stream = layer.stream()
        >>> y = np.stack([stream.step(row).copy() for row in x.numpy()])
        >>> bool(np.allclose(y, layer(x)[0].detach().numpy(), atol=1e-5))
        True
    """

    def __init__(self, layer: Any, batch_size: int):
        if batch_size < 1:
            raise ValueError(f"batch_size={batch_size}: at least one sequence.")
        tracks = layer.tracks()
        if any(len(row) > 1 for row in tracks):
            raise ValueError(
                "a bidirectional layer needs the whole sequence before its first output; a stream "
                "goes forward only."
            )
        weight = next(layer.parameters(), torch.empty(0))  # a cell may have no weights
        if weight.device.type != "cpu" or weight.dtype not in ELEMENTS:
            raise ValueError(
                f"a stream runs on the CPU in float32 or float64, not in {weight.dtype} on "
                f"{weight.device}; use gw.Step or call the layer with one step."
            )
        from gatewise.backends.llvm.session import Session

        self.layer, self.batch_size = layer, batch_size
        self._sessions = [
            Session(layer.evaluated(track.recurrence), batch_size, weight.dtype, _parameters(track))
            for (track,) in tracks
        ]
        graph = tracks[0][0].recurrence.graph
        self._further = dict.fromkeys(name for name in graph.inputs if name != "x").keys()
        whole = self._sessions[0].inputs["x"].shape
        self._shapes = (whole, whole[1:]) if batch_size == 1 else (whole,)
        self._read_layer()
        self.reset()

    def step(self, x: np.ndarray | Tensor, **inputs: np.ndarray | Tensor | float) -> Any:
        """Run one step.

        Args:
            x: ``(B, I)``, or ``(I,)`` for a batch of one; NumPy or torch.
            **inputs: what the cell reads besides x, ``(B, size)``; ``(B,)`` where its size is 1;
                for a batch of one ``(size,)`` or a number too.

        Returns:
            The output in the shape and kind of x. Its memory is written again two steps later:
            copy what you keep.

        Raises:
            TypeError: the cell reads other inputs.
            ValueError: one of them has another shape.
        """
        if inputs.keys() != self._further:
            raise TypeError(
                f"this cell reads {', '.join(('x', *self._further))} at every step; it was given "
                f"{', '.join(('x', *inputs))}."
            )
        given = x.numpy() if isinstance(x, Tensor) else x
        if given.shape not in self._shapes:  # NumPy would repeat what is too small
            raise ValueError(
                f"x is {tuple(given.shape)}; a step of this stream takes "
                f"{' or '.join(map(str, self._shapes))}."
            )
        for k, session in enumerate(self._sessions):
            session.inputs["x"][:] = self._norms[k - 1](given) if k and self._norms else given
            for name, value in inputs.items():
                session.inputs[name][:] = self._of_each(name, value, session.inputs[name].shape)
            y = session.step()
            given = y + given if k and self.layer.options.residual else y
        result = given if x.ndim > 1 else given[0]
        return torch.from_numpy(result) if isinstance(x, Tensor) else result

    @staticmethod
    def _of_each(name: str, value: Any, shape: tuple[int, ...]) -> np.ndarray:
        """An input or a state of every sequence, as ``(B, size)``."""
        array = value.detach().cpu().numpy() if isinstance(value, Tensor) else np.asarray(value)
        kinds = [shape]
        if shape[1] == 1:
            kinds.append(shape[:1])  # one number for each sequence
        if shape[0] == 1:
            kinds.append(shape[1:])  # no batch
        if shape == (1, 1):
            kinds.append(())
        if array.shape in kinds:
            return array.reshape(shape)
        raise ValueError(
            f"{name!r} is {array.shape}; this stream takes {' or '.join(map(str, kinds))}."
        )

    @property
    def state(self) -> list[dict[str, np.ndarray]]:
        """For each layer the state by name, ``(B, size)``.

        It is a copy: set it whole, to a list like this one or to what a call of the layer returned.
        """
        return [
            {name: value.copy() for name, value in session.state().items()}
            for session in self._sessions
        ]

    @state.setter
    def state(self, state: Any) -> None:
        if not isinstance(state, list) or not all(isinstance(own, Mapping) for own in state):
            state = self._by_layer(state)
        if len(state) != len(self._sessions):
            raise ValueError(f"the layer has {len(self._sessions)} layers, not {len(state)}.")
        found = []
        for session, own in zip(self._sessions, state, strict=True):
            wanted = session.state()
            if own.keys() != wanted.keys():
                raise ValueError(f"the state is {', '.join(wanted)}, not {', '.join(own)}.")
            found.append({n: self._of_each(n, own[n], value.shape) for n, value in wanted.items()})
        for session, own in zip(self._sessions, found, strict=True):
            session.set_state(own)

    def _by_layer(self, state: Any) -> States:
        """A state as a call of the layer returns it, for each layer by name."""
        field = state[0] if isinstance(state, tuple) else state  # (layers, B, size)
        batched = not isinstance(field, Tensor | tuple) or field[0].dim() == 2
        rows = [session.recurrence for session in self._sessions]
        first = self.layer.options.state_batch_first
        return unpack_state(state, rows, self.batch_size, batched, first)

    def reset(self) -> None:
        """Return to the initial state."""
        for session, start in zip(self._sessions, self._starts, strict=True):
            for name, value in session.state().items():
                value[:] = start[name]

    def _read_layer(self) -> None:
        """Initial states and layer norms as they are now."""
        rows = [session.recurrence for session in self._sessions]
        starts = [self.layer.initial_values(k, row) for k, row in enumerate(rows)]
        self._starts = [{name: v.detach().numpy() for name, v in each.items()} for each in starts]
        self._norms = [_Norm(norm) for norm in self.layer.norms]

    def refresh(self) -> None:
        """Pack the layer's weights as they are now."""
        self._read_layer()
        for session, (track,) in zip(self._sessions, self.layer.tracks(), strict=True):
            session.refresh(_parameters(track))

    def save(self, path: FilePath) -> None:
        """Write the state to a ``.npz`` file."""
        save_arrays(
            path,
            {
                f"{k}.{name}": value
                for k, state in enumerate(self.state)
                for name, value in state.items()
            },
        )

    def load(self, path: FilePath) -> None:
        """Read a state that `save` wrote.

        Raises:
            ValueError: the file holds another layer's state.
        """
        found = load_arrays(path)
        wanted = [f"{k}.{name}" for k, state in enumerate(self.state) for name in state]
        if sorted(found) != sorted(wanted):
            raise ValueError(f"{path} holds {list(found)}; this layer's state is {wanted}.")
        self.state = [
            {name: found[f"{k}.{name}"] for name in state} for k, state in enumerate(self.state)
        ]


class _Norm:
    """A layer norm of NumPy arrays ``(B, size)``."""

    def __init__(self, norm: nn.LayerNorm):
        self.weight, self.bias = norm.weight.detach().numpy(), norm.bias.detach().numpy()
        self.epsilon = norm.eps

    def __call__(self, x: np.ndarray) -> np.ndarray:
        centred = x - x.mean(-1, keepdims=True)
        variance = np.square(centred).mean(-1, keepdims=True)
        return centred / np.sqrt(variance + self.epsilon) * self.weight + self.bias


def _parameters(track: Track) -> dict[str, Tensor]:
    return {name: value.detach() for name, value in track.parameters.items()}
