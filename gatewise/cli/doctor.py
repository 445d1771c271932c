"""`gatewise doctor`: what this machine offers, and whether kernels work on it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import typer

if TYPE_CHECKING:
    from torch import Tensor

SIZE = 64
"""I and H of the layer that is tried."""

TOLERANCE = 1e-4
"""How far float32 gradients of sums over 20 steps may differ from the reference."""


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor() -> None:
    """Tell which processor kernels are compiled for, and try one against the reference."""
    for name, value in _facts():
        typer.echo(f"{name:<12} {value}")
    error, text = _try()
    typer.echo(f"{'trial':<12} {text}")
    if error > TOLERANCE:
        typer.echo(
            f"The kernel and the reference differ by {error:.1e}: please report this, and use "
            'gw.use_backend("reference") until it is mended.',
            err=True,
        )
        raise typer.Exit(1)


def _facts() -> Iterator[tuple[str, str]]:
    import platform
    import sys

    import llvmlite
    import torch
    from llvmlite import binding

    import gatewise
    from gatewise.backends.llvm.compiler import CACHE_VARIABLE, cache_directory
    from gatewise.backends.llvm.execution import threads
    from gatewise.backends.llvm.target import host

    target, directory = host(), cache_directory()
    yield "gatewise", f"{gatewise.__version__} on Python {platform.python_version()}"
    yield "torch", f"{torch.__version__}, {torch.get_num_threads()} threads"
    version = ".".join(map(str, binding.llvm_version_info))
    yield "compiler", f"llvmlite {llvmlite.__version__}, LLVM {version}"
    yield (
        "processor",
        f"{target.cpu}: vectors of {8 * target.vector_bytes} bits ({target.lanes(4)} floats), "
        f"{target.registers} registers",
    )
    if not sys.platform.startswith("linux") or platform.machine() != "x86_64":
        yield "support", "experimental: kernels are tested on Linux with x86-64 processors"
    yield "pool", threads.pool_name()
    if directory is None:
        yield "cache", f"in memory only (see {CACHE_VARIABLE})"
    else:
        found = list(directory.glob("*.o"))
        size = sum(path.stat().st_size for path in found) / 1e6
        yield "cache", f"{directory}: {len(found)} kernels, {size:.1f} MB"


def _try() -> tuple[float, str]:
    """Train one step of a layer on kernels and on the reference; the largest difference."""
    import time

    import torch

    import gatewise as gw

    torch.manual_seed(0)
    layer, x = gw.Recurrent("peephole", SIZE, SIZE), torch.randn(20, 8, SIZE)

    def gradients(backend: str) -> list[Tensor]:
        with gw.use_backend(backend):
            y, _ = layer(x)
        return [y, *torch.autograd.grad(y.square().sum(), list(layer.parameters()))]

    started = time.perf_counter()
    ours = gradients("llvm")
    seconds = time.perf_counter() - started
    theirs = gradients("reference")
    error = max(
        float((a - b).detach().abs().max() / b.detach().abs().max())
        for a, b in zip(ours, theirs, strict=True)
    )
    with gw.use_backend("llvm"):
        how = layer.explain(x)[0].details
    return (
        error,
        f"peephole LSTM, {error:.0e} from the reference, first call {seconds:.2f} s; {how}",
    )
