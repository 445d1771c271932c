"""Pages about forecast models: how the network reads the past of one series, and what it forecasts.

The page shows the network. What `gatewise forecast` prints may blend it with a naive forecast and
widens its quantiles to the coverage that was measured; the page says so. A minimum holds on the
page as well: what was learned, or what the user asked for in training.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor

from gatewise.explorer.chain import Chain, linear, matrix, numbers, recurrent_layer
from gatewise.explorer.subject import Subject, describe_layers


def of_forecast(model: Any, data: Any = None, row: int = 0) -> Subject:
    """A page about a forecast model and the end of one series.

    Args:
        model: a forecast model as `gatewise.load` returns it.
        data: a file or a frame of series; None for the file that the model learned from.
        row: which series, or which target of which series, from 0.

    Raises:
        DataError: the data cannot be read, or do not fit the model.
        ValueError: there is no such series.
    """
    series = model.read(data)
    lengths = np.array([each.steps for each in series.series], dtype=np.int64)
    rows = model.pack(series, lengths)
    if not 0 <= row < len(rows.steps):
        raise ValueError(f"there are {len(rows.steps)} series, from 0; there is no row {row}.")
    chosen = np.array([row])
    network = model.model
    cut = rows.cut(chosen, rows.steps[chosen], network.lookback, network.horizon)
    windows = _windows(cut)
    own = series.series[rows.series[row]]
    target = series.columns.targets[int(row) % len(series.columns.targets)]
    steps = own.start + own.steps + np.arange(-network.lookback, network.horizon)
    chain = Chain()
    with torch.no_grad():
        outputs = _add_network(chain, network, windows)
        found, scale = network(windows)
    unit, shift = float(rows.unit[row]), float(rows.shift[row])
    floor = float(model.floors(rows)[row])
    forecast = (scale.undo(found)[0] * unit + shift).clamp(min=floor)
    name = f"{own.name}, {target}" if own.name and len(series.columns.targets) > 1 else own.name
    document: dict[str, Any] = {
        "shift": shift,
        "unit": unit,
        "times": readable_times(series.frequency.clock(steps)),
        "quantiles": list(network.quantiles) if found.shape[-1] > 1 else [0.5],
        "best": model.best,
    } | ({} if floor == -math.inf else {"floor": floor})
    chain.layers[-1] |= document
    return Subject(
        title=f"The forecast of {name or target}",
        about=f"A forecast of {network.horizon} steps of a {model.frequency} from the last "
        f"{network.lookback}: {describe_layers(chain)}",
        chain=chain,
        input={
            "numbers": matrix(windows.past.reshape(-1, network.segment)),
            "labels": document["times"][: network.lookback : network.segment],
        },
        output={"kind": "values", "labels": document["times"][network.lookback :]},
        outputs=outputs,
        scores=forecast[:, forecast.shape[1] // 2],
    )


def readable_times(times: np.ndarray) -> list[str]:
    """Times as text: days where all are at midnight, else to the minute or second.

    Example:
        >>> readable_times(np.array(["2024-01-31", "2024-02-29"], dtype="datetime64[us]"))
        ['2024-01-31', '2024-02-29']
    """
    if times.dtype.kind != "M":
        return [str(time) for time in times]
    for unit in ("D", "m"):
        if (times.astype(f"datetime64[{unit}]") == times).all():
            return [str(time).replace("T", " ") for time in times.astype(f"datetime64[{unit}]")]
    return [str(time).replace("T", " ") for time in times.astype("datetime64[s]")]


def _windows(cut: Any) -> Any:
    from gatewise.tasks.forecasting import Windows

    return Windows(*(getattr(cut, name) for name in Windows._fields))


def _add_network(chain: Chain, network: Any, windows: Any) -> Tensor:
    """Add what the page computes, and return the recurrent layers' outputs, ``(n, H)``.

    What does not depend on the past's values (marks of gaps, covariates, the channel) is one
    vector for each segment, computed here.
    """
    w = network.segment
    read = _Watched(network.recurrent)
    with read:
        found, scale = network(windows)
    past = scale.apply(windows.past)
    offset = _offset(network, windows)
    values = network._cut(past)[:, 0] @ network.values.weight.T
    if not torch.allclose(torch.relu(values + offset), read.inputs[0][:, 0], atol=1e-4):
        raise ValueError("the network reads its past in a way that the page does not know.")
    chain.add_numbers([f"value {k + 1} of {w}" for k in range(w)])
    front = {"scaling": network.scaling, "missing": numbers(windows.missing)}
    weights = {"weight": matrix(network.values.weight), "offset": matrix(offset)}
    chain.layers.append({"kind": "segments", **front, **weights})
    chain.add_recurrent(recurrent_layer(network.recurrent))
    outputs = read.outputs[0][:, 0]
    decoder: dict[str, Any] = {
        "kind": "forecast",
        "decoding": network.decoding,
        "horizon": network.horizon,
        "segment": w,
        "outputs": network.outputs,
        "head": linear(network.head.weight, network.head.bias),
        "anchor": matrix(_anchor_matrix(network)),
    }
    if network.decoding == "segments":
        decoder["queries"] = matrix(read.inputs[1][0])
    elif network.decoding == "direct":
        # what covariates add: all but what the head makes of the last output
        rest = found[0] - network._anchor(past)[0][:, None]
        decoder["ahead"] = numbers(rest.flatten() - network.head(outputs[-1]))
    else:
        decoder["following"] = matrix(_following(network, windows))
    chain.layers.append(decoder)
    return outputs


class _Watched:
    """What a module is given and returns while a ``with`` block runs."""

    def __init__(self, module: Any):
        self.module, self.inputs, self.outputs = module, [], []

    def __enter__(self) -> None:
        self.handle = self.module.register_forward_hook(self._note)

    def __exit__(self, *problem: Any) -> None:
        self.handle.remove()

    def _note(self, module: Any, given: Any, returned: Any) -> None:
        self.inputs.append(given[0])
        self.outputs.append(returned[0])


def _told(network: Any, windows: Any) -> Tensor:
    """What every segment is told besides its values and covariates, ``(1, H)``."""
    static = network._static(windows) if network.decoding != "segments" else 0
    return network.values.bias[None] + static


def _offset(network: Any, windows: Any) -> Tensor:
    """What each segment of the past adds to its weighted values, ``(n, H)``."""
    n, ahead = network.lookback // network.segment, int(network.decoding == "recursive")
    known = network._known(windows.known)
    offset = network.gaps(network._cut(windows.missing))[:, 0] + _told(network, windows)
    return offset if known is None else offset + known[ahead : n + ahead, 0]


def _following(network: Any, windows: Any) -> Tensor:
    """Row k: what is added to the k-th segment forecast when it is read on, ``(m, H)``.

    It tells what is known of the segment after it.
    """
    m, n = network.segments, network.lookback // network.segment
    told = _told(network, windows).expand(m, -1)
    known = network._known(windows.known)
    if known is None:
        return told
    ahead = known[n : n + m, 0]
    return told + torch.cat([ahead[1:], ahead[-1:]])


def _anchor_matrix(network: Any) -> Tensor:
    """The forecast to begin from is linear in the scaled past: its matrix, ``(F, L)``."""
    return network._anchor(torch.eye(network.lookback)).T
