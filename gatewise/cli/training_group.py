"""The group `gatewise train`: what all its commands have in common is added here, once."""

import functools
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained

WATCHING, SEARCH, SEVERAL = "Watching", "Search for settings", "Several processes"  # panels


def launch(
    log: Annotated[
        Path | None,
        typer.Option(
            help="Write curves for TensorBoard into this folder: `tensorboard --logdir`.",
            rich_help_panel=WATCHING,
        ),
    ] = None,
    tune: Annotated[
        int,
        typer.Option(
            help="Try so many settings first, on validation, each for a tenth of the time at most. "
            "Without it nothing is searched: the defaults are rules.",
            show_default="no search",
            rich_help_panel=SEARCH,
            min=0,
        ),
    ] = 0,
    tune_over: Annotated[
        str | None,
        typer.Option(
            help="What is tried, with commas.",
            show_default="learning-rate,batch-size,hidden,layers,dropout, where not given",
            rich_help_panel=SEARCH,
        ),
    ] = None,
    devices: Annotated[
        int | None,
        typer.Option(
            help="Processes of this machine that train together, on a GPU each or on shares of the "
            "processor. Each learns from a batch of its own.",
            show_default="1, or what torchrun started",
            rich_help_panel=SEVERAL,
            min=1,
        ),
    ] = None,
    nodes: Annotated[
        int | None,
        typer.Option(
            help="Machines with as many processes each; on all of them the same command runs.",
            show_default="1, or what torchrun started",
            rich_help_panel=SEVERAL,
            min=1,
        ),
    ] = None,
) -> dict[str, Any]:
    """Return the options of every training as `gatewise.training.launch.launched` takes them."""
    names = (name.strip().replace("-", "_") for name in (tune_over or "").split(","))
    over = tuple(name for name in names if name)
    return {"log": log, "tune": tune, "tune_over": over, "devices": devices, "nodes": nodes}


class TrainingGroup(typer.Typer):
    """A group of commands that train; each has the options of `launch` besides its own."""

    def command(self, *arguments: Any, **options: Any) -> Callable[[Any], Any]:
        """Return a decorator that adds a command, as typer's own does."""
        add = super().command(*arguments, **options)

        def decorate(function: Callable[..., None]) -> Callable[..., None]:
            add(with_launch(function))
            return function

        return decorate


def with_launch(function: Callable[..., None]) -> Callable[..., None]:
    """Return a command that takes the options of `launch` too, and runs as they say."""
    own, common = inspect.signature(function), inspect.signature(launch).parameters

    @functools.wraps(function)
    def command(**values: Any) -> None:
        chosen = launch(**{name: values.pop(name) for name in common})
        with failures_explained():
            import torch

            from gatewise.training.launch import launched

            with launched(**chosen, device=values["device"]):
                if values["threads"]:
                    torch.set_num_threads(values["threads"])
                function(**values)

    both = [*own.parameters.values(), *common.values()]
    command.__signature__ = own.replace(parameters=both)  # type: ignore[attr-defined]
    command.__annotations__ = {**function.__annotations__, **launch.__annotations__}
    return command
