"""Who is measured: a function for each, which makes a run of a case or says that it cannot."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from functools import lru_cache

import torch
from torch import Tensor, nn

import gatewise as gw
from benchmarks.cases import BUILT_IN, Case
from benchmarks.clock import Run
from gatewise.equations.size import size_number

TORCH = {"lstm": nn.LSTM, "gru": nn.GRU, "rnn": nn.RNN}
OURS = {"lstm": gw.LSTM, "gru": gw.GRU, "rnn": gw.RNN}

OTHER_NAMES = {
    "antisymmetric": "AntisymmetricRNN",
    "brc": "BR",
    "gated_antisymmetric": "GatedAntisymmetricRNN",
    "intersection": "IntersectionRNN",
    "lstm_multiplicative": "MultiplicativeLSTM",
    "lstm_no_forget": "OriginalLSTM",
    "lstm_residual": "ResLSTM",
    "nbrc": "NBR",
    "peephole": "PeepholeLSTM",
}
"""Torchrecurrent's names, where they are not ours in other letters."""


class Task:
    """The numbers of a case, the same for every peer.

    Attributes:
        x: the input, ``(T, B, I)``.
        dy: the gradient of the output, ``(T, B, H)``.
        further: what the cell reads besides x, such as ``dt``, by name.
        module: torch's own module with the weights that all peers take; None for other cells.
    """

    def __init__(self, case: Case):
        generator = torch.Generator().manual_seed(0)
        self.case = case
        self.x = torch.randn(case.T, case.B, case.I, generator=generator)
        self.dy = torch.randn(case.T, case.B, case.H, generator=generator)
        graph, sizes = gw.cells.get(case.cell).graph, {"I": case.I, "H": case.H}
        self.further = {
            name: torch.rand(case.T, case.B, size_number(size, sizes), generator=generator)
            for name, size in graph.inputs.items()
            if name != "x"
        }
        torch.manual_seed(0)
        self.module = TORCH[case.cell](case.I, case.H) if case.cell in TORCH else None

    def weights(self) -> dict[str, Tensor]:
        """The module's weights."""
        assert self.module is not None
        return {name: value.detach() for name, value in self.module.named_parameters()}


@lru_cache(maxsize=2)
def task_of(case: Case) -> Task:
    """The numbers of a case, made once."""
    return Task(case)


def run_of(layer: nn.Module, task: Task, backend: str | None = None) -> Callable[[], Tensor]:
    """A call of a layer, with all gradients if the case is training."""
    x = task.x.clone().requires_grad_(task.case.training)
    further = {} if backend is None else task.further  # other packages know x alone

    def infer() -> Tensor:
        with torch.no_grad():
            return layer(x, **further)[0]

    def train() -> Tensor:
        x.grad = None
        layer.zero_grad(set_to_none=True)
        y = layer(x, **further)[0]
        y.backward(task.dy)
        return y

    run = train if task.case.training else infer
    if backend in (None, "auto"):
        return run

    def on_backend() -> Tensor:
        with gw.use_backend(backend):
            return run()

    return on_backend


def our_layer(task: Task) -> nn.Module:
    """Our layer, with torch's weights where torch has the cell."""
    case = task.case
    if task.module is None:
        torch.manual_seed(0)
        return gw.Recurrent(case.cell, case.I, case.H)
    layer = OURS[case.cell](case.I, case.H)
    layer.load_state_dict(task.module.state_dict())
    return layer


def ours(task: Task, backend: str = "llvm") -> Callable[[], Tensor]:
    """Kernels, or what our layer chooses itself."""
    return run_of(our_layer(task), task, backend)


def torch_operators(task: Task) -> Run | None:
    """``nn.LSTM``, ``nn.GRU`` and ``nn.RNN`` as installed."""
    return run_of(task.module, task) if task.module is not None else None


def loop(task: Task) -> Run:
    """The same equations on torch operators, step by step; shared products are one product."""
    return run_of(our_layer(task), task, "reference")


def torchrecurrent(task: Task) -> Run | None:
    """The layer of that package, where it has the cell."""
    import torchrecurrent as package

    name = task.case.cell
    plain = {known.lower(): known for known in dir(package)}
    known = OTHER_NAMES.get(name) or plain.get(name.replace("_", ""))
    if known is None or name in BUILT_IN:
        return None
    torch.manual_seed(0)
    return run_of(getattr(package, known)(task.case.I, task.case.H), task)


def onnx_runtime(task: Task) -> Run | None:
    """ONNX Runtime's operators, inference only."""
    if task.module is None or task.case.training:
        return None
    from benchmarks.onnx_runtime import run_of_onnx

    return run_of_onnx(task.case, task.x, task.weights())


def jax_scan(task: Task) -> Run | None:
    """``jax.lax.scan`` over a jitted step; the products of the input are outside the loop."""
    if task.module is None:
        return None
    from benchmarks.jax_scan import run_of_scan

    return run_of_scan(task.case, task.x, task.dy, task.weights())


PEERS: dict[str, Callable[[Task], Run | None]] = {
    "torch": torch_operators,
    "onnxruntime": onnx_runtime,
    "jax": jax_scan,
    "torchrecurrent": torchrecurrent,
    "loop": loop,
}
NEEDS = {
    "onnxruntime": ("onnxruntime", "onnx"),
    "jax": ("jax",),
    "torchrecurrent": ("torchrecurrent",),
}


def absent(peer: str) -> list[str]:
    """The packages that a peer needs and that are not installed."""
    return [name for name in NEEDS.get(peer, ()) if importlib.util.find_spec(name) is None]
