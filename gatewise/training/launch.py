"""How a training is started, whatever its task: logged, tuned, on one process or several."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path

from gatewise.data import processes
from gatewise.training.checkpoint import RunError
from gatewise.training.quiet import quiet_lightning

PATIENCE = timedelta(days=7)  # for the first process, which reads data and validates alone
OVER = "GATEWISE_TRAINED_ON_SEVERAL"  # in the environment, once such a training has ended


@dataclass(frozen=True)
class Launch:
    """How a training is started.

    Attributes:
        log: The folder for TensorBoard's curves; None for none.
        tune: Trials of settings before the training; 0 for none.
        tune_over: Names of the settings that are tried; none stands for all that were left open.
        devices: Processes on each machine: devices, or shares of the processor.
        nodes: Machines.
    """

    log: Path | None = None
    tune: int = 0
    tune_over: tuple[str, ...] = ()
    devices: int = 1
    nodes: int = 1

    def described(self) -> dict[str, object]:
        """Return what decides what comes out, by the options' names, where it is not the usual."""
        usual = Launch()
        names = ("devices", "nodes", "tune", "tune_over")
        found = {name: getattr(self, name) for name in names}
        return {name: value for name, value in found.items() if value != getattr(usual, name)}


_launch: ContextVar[Launch] = ContextVar("gatewise_launch", default=Launch())  # noqa: B039 - frozen


def current_launch() -> Launch:
    """Return how trainings are started here."""
    return _launch.get()


@contextmanager
def launched(
    *,
    log: str | os.PathLike[str] | None = None,
    tune: int = 0,
    tune_over: tuple[str, ...] = (),
    devices: int | None = None,
    nodes: int | None = None,
    device: str = "auto",
) -> Iterator[None]:
    """Let every training inside the ``with`` block be logged, tuned, or shared, whatever its task.

    On several processes, each runs the whole program: this one starts the others of its machine
    with the command that started itself, unless torchrun has started them. The machines share the
    folders of the data and of the model. All but the first end with their training.

    Args:
        log: Where TensorBoard's curves go; each model has a folder in it, named like its file.
        tune: How many settings are tried on validation before the training; needs Optuna.
        tune_over: Which, such as `("learning_rate", "hidden")`; none for all that are left open.
        devices: Processes on this machine, each with a GPU, or with its share of the processor;
            None is what torchrun says, else 1.
        nodes: Machines, each with as many; None is what torchrun says, else 1.
        device: `"auto"`, `"cpu"`, `"cuda"` or `"mps"`.

    Raises:
        RunError: A package is missing, a folder is a file, or there are not so many devices.

    Example:
        with launched(log="logs", tune=20):
            train_text(["novel.txt"], "novel.safetensors")  # tensorboard --logdir logs
    """
    if log is not None:
        refuse_missing("--log", "tensorboard", "TensorBoard", "log")
        if Path(log).exists() and not Path(log).is_dir():
            raise RunError(f"--log {log}: is a file; name a folder")
    if tune_over and not tune:
        raise RunError("--tune-over says what --tune N tries; give both")
    if tune:
        refuse_missing("--tune", "optuna", "Optuna", "tune")
    devices, nodes = processes_wanted(devices, nodes)
    launch = Launch(None if log is None else Path(log), tune, tuple(tune_over), devices, nodes)
    with ExitStack() as stack:
        if devices * nodes > 1:
            stack.enter_context(several(devices, nodes, device))
        token = _launch.set(launch)
        stack.callback(_launch.reset, token)
        yield


def refuse_missing(option: str, package: str, title: str, extra: str) -> None:
    """Raise `RunError` if an option's package is not installed."""
    if find_spec(package) is None:
        raise RunError(f"{option} needs {title}: pip install 'gatewise[{extra}]'")


def processes_wanted(devices: int | None, nodes: int | None) -> tuple[int, int]:
    """Return how many processes a machine has, and how many machines there are.

    Raises:
        RunError: torchrun has started other numbers.
    """
    if "TORCHELASTIC_RUN_ID" not in os.environ:
        return devices or 1, nodes or 1
    here = int(os.environ["LOCAL_WORLD_SIZE"])
    there = int(os.environ["WORLD_SIZE"]) // here
    for option, wanted, found in (("--devices", devices, here), ("--nodes", nodes, there)):
        if wanted not in (None, found):
            raise RunError(f"{option} {wanted}: torchrun has started {found}; leave the option out")
    return here, there


@contextmanager
def several(devices: int, nodes: int, device: str) -> Iterator[None]:
    """Start the other processes, unless somebody has, and join them.

    Raises:
        RunError: There are not so many devices, or another process has ended.
    """
    import lightning
    import torch
    from lightning.fabric.strategies.ddp import DDPStrategy
    from torch import distributed

    if distributed.is_available() and distributed.is_initialized():
        raise RuntimeError("a process group of torch.distributed is in use by somebody else")
    if os.environ.get(OVER):
        raise RunError("on several processes, each training needs a program of its own")
    graphics = device in ("auto", "cuda") and torch.cuda.is_available()
    backend = "cpu:gloo,cuda:nccl" if graphics else "gloo"
    strategy = DDPStrategy(process_group_backend=backend, timeout=PATIENCE)
    with quiet_lightning():
        try:
            fabric = lightning.Fabric(
                accelerator=device, devices=devices, num_nodes=nodes, strategy=strategy
            )
        except Exception as error:  # Lightning's and torch's, of many kinds
            raise RunError(f"--devices {devices}: {str(error).splitlines()[0]}") from error
        fabric.launch()
    try:
        with processes.joined():
            yield
    except RuntimeError as error:
        if not isinstance(error, distributed.DistError) and "gloo" not in str(error).lower():
            raise
        raise RunError(
            "another process of this training has ended; the same command goes on"
        ) from error
    finally:
        os.environ[OVER] = "1"
        distributed.destroy_process_group()
