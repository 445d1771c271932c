"""A model as the page runs it: a list of layers, each with its weights."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from gatewise import cells
from gatewise.backends import Operands, Recurrence
from gatewise.equations import Graph
from gatewise.explorer.cell_page import CellPage, describe_cell
from gatewise.layers import GRU, LSTM, RNN
from gatewise.layers.depth import Track
from gatewise.layers.layer import RecurrentLayer

TORCH_LAYERS: dict[type[nn.Module], Any] = {nn.LSTM: LSTM, nn.GRU: GRU, nn.RNN: RNN}


@dataclass
class Chain:
    """Layers for the page, and the cells that they run.

    Attributes:
        layers: JSON-ready, from the input on.
        cells: by key, what the page knows of each cell.
    """

    layers: list[dict[str, Any]] = field(default_factory=list)
    cells: dict[str, CellPage] = field(default_factory=dict)
    _keys: dict[Graph, str] = field(default_factory=dict)

    def add_embedding(self, weight: Tensor) -> None:
        """Add a table of vectors ``(V, I)``, one for each token."""
        self.layers.append({"kind": "embedding", "weight": matrix(weight)})

    def add_numbers(self, names: list[str]) -> None:
        """Add an input of numbers, one name for each channel."""
        self.layers.append({"kind": "numbers", "names": names})

    def add_recurrent(self, layer: RecurrentLayer) -> None:
        """Add every layer and direction of a recurrent layer, as evaluation runs them."""
        rows = [[self._of_layer(layer, track) for track in row] for row in layer.tracks()]
        norms = [
            {"weight": numbers(norm.weight), "bias": numbers(norm.bias), "epsilon": norm.eps}
            for norm in layer.norms
            if isinstance(norm, nn.LayerNorm)
        ]
        found = {"kind": "recurrent", "tracks": rows, "residual": layer.options.residual}
        self.layers.append({**found, "norms": norms})

    def add_rows(self, rows: Sequence[Sequence[tuple[Recurrence, Operands]]]) -> None:
        """Add recurrences by layer, then direction, with the operands of one sequence."""
        tracks = [
            [
                self._described(each, o.parameters, _flat(o.states), _flat(o.givens))
                for each, o in layer
            ]
            for layer in rows
        ]
        self.layers.append({"kind": "recurrent", "tracks": tracks, "residual": False, "norms": []})

    def add_standard(self, mean: Tensor, deviation: Tensor, gaps: bool) -> None:
        """Add channels in units of their spread, ``(C,)`` each; `gaps` marks missing values."""
        scale = {"mean": numbers(mean), "deviation": numbers(deviation)}
        self.layers.append({"kind": "standardize", **scale, "gaps": gaps})

    def add_pooling(self, mode: str, **weights: Any) -> None:
        """Add ``last``, ``ends`` (of both directions), ``mean``, ``max`` or ``attention``.

        Args:
            mode: which.
            **weights: of attention: ``key`` (see `linear`) and ``query``.
        """
        self.layers.append({"kind": "pool", "mode": mode, **weights})

    def add_linear(self, weight: Tensor, bias: Tensor | None) -> None:
        """Add a linear layer: ``(rows, columns)`` and ``(rows,)``."""
        self.layers.append({"kind": "linear", **linear(weight, bias)})

    def add_adaptive(self, head: nn.Linear, tails: Sequence[nn.Module], ranks: Tensor) -> None:
        """Add a softmax in clusters.

        Args:
            head: over the frequent tokens and the clusters.
            tails: of each cluster, two matrices one after the other.
            ranks: of each token, its place by frequency, ``(V,)``.
        """
        found = [
            dict(zip(("down", "up"), map(matrix, tail.parameters()), strict=True)) for tail in tails
        ]
        described = {"head": linear(head.weight, head.bias), "tails": found}
        self.layers.append({"kind": "adaptive", **described, "ranks": numbers(ranks)})

    def add_pairs(self, weight: Tensor) -> None:
        """Add what each output adds to the scores of those behind it, lower triangle ``(V, V)``."""
        self.layers.append({"kind": "pairs", "weight": matrix(weight)})

    def _of_layer(self, layer: RecurrentLayer, track: Track) -> dict[str, Any]:
        recurrence = layer.evaluated(track.recurrence)
        start = layer.initial_values(track.layer, track.recurrence)
        return self._described(recurrence, track.parameters, start, {})

    def _described(
        self,
        recurrence: Recurrence,
        parameters: Mapping[str, Tensor],
        start: Mapping[str, Tensor],
        givens: Mapping[str, Tensor],
    ) -> dict[str, Any]:
        return {
            "cell": self._cell(recurrence.graph),
            "reverse": recurrence.reverse,
            "sizes": dict(recurrence.sizes),
            "constants": dict(recurrence.graph.constants),
            "start": {name: numbers(value) for name, value in start.items()},
            "givens": {name: numbers(value) for name, value in givens.items()},
            "weights": {name: numbers(parameters[name]) for name in recurrence.graph.parameters},
        }

    def _cell(self, graph: Graph) -> str:
        if graph not in self._keys:
            key = f"{graph.name}{len(self._keys) or ''}"
            title, paper = _title(graph)
            self.cells[key] = describe_cell(graph, title, paper)
            self._keys[graph] = key
        return self._keys[graph]


def _title(graph: Graph) -> tuple[str, str]:
    """What the catalogue calls a cell; a cell of the user's own goes by its name."""
    if graph.name not in cells.names():
        return graph.name, ""
    known = cells.get(graph.name)
    return known.title, known.paper


def recurrent_layer(module: nn.Module) -> RecurrentLayer:
    """A layer of ours with the weights of one of torch's; ours as it is.

    Raises:
        TypeError: it is neither.
    """
    if isinstance(module, RecurrentLayer):
        return module
    for kind, ours in TORCH_LAYERS.items():
        if isinstance(module, kind):
            return _like_torch(module, ours)
    known = ", ".join(sorted({"Recurrent", *(ours.__name__ for ours in TORCH_LAYERS.values())}))
    raise TypeError(
        f"{type(module).__name__} is no recurrent layer; explore one of its layers ({known}), or "
        "trace it: `with gw.trace(model) as t: model(x)`, then `t.explore(path)`."
    )


def _like_torch(module: Any, ours: Any) -> RecurrentLayer:
    options = {
        "num_layers": module.num_layers,
        "bias": module.bias,
        "batch_first": module.batch_first,
        "bidirectional": module.bidirectional,
        "dtype": next(module.parameters()).dtype,
    }
    if module.proj_size:
        options["proj_size"] = module.proj_size
    if isinstance(module, nn.RNN):
        options["nonlinearity"] = module.nonlinearity
    layer = ours(module.input_size, module.hidden_size, **options)
    layer.load_state_dict(module.state_dict())
    return layer.eval()


def _flat(values: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: value.reshape(-1) for name, value in values.items()}


def numbers(values: Tensor) -> str:
    """Numbers as base64 of little-endian float32."""
    flat = values.detach().to("cpu", torch.float32).contiguous().reshape(-1)
    return base64.b64encode(flat.numpy().astype("<f4").tobytes()).decode("ascii")


def linear(weight: Tensor, bias: Tensor | None) -> dict[str, Any]:
    """Weights of a linear layer, and its bias where it has one."""
    found: dict[str, Any] = {"weight": matrix(weight)}
    return found if bias is None else {**found, "bias": numbers(bias)}


def matrix(values: Tensor) -> dict[str, Any]:
    """Rows and columns, and the numbers."""
    rows, columns = values.shape
    return {"rows": rows, "columns": columns, "data": numbers(values)}
