"""Options that the commands of `gatewise train` share."""

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

MODEL, LENGTH, STEPS = "Model", "How long", "Optimisation"  # panels of the help


def option(panel: str, text: str, *names: str, **limits: Any) -> Any:
    """Return an option of the command line."""
    return typer.Option(*names, help=text, rich_help_panel=panel, **limits)


Output = Annotated[Path, typer.Option("--output", "-o", help="The model file to make.")]
OUTPUT = Path("model.safetensors")
Restart = Annotated[bool, typer.Option("--restart", help="Begin anew, whatever is there.")]

Cell = Annotated[
    str, option(MODEL, "A cell of the catalogue, or one of your own: path/to/file.py:name.")
]
Hidden = Annotated[int, option(MODEL, "Hidden size.", min=1)]
Layers = Annotated[int, option(MODEL, "Recurrent layers.", min=1)]

ForgetBias = Annotated[
    float | None,
    option(
        MODEL,
        "What the bias of every forget gate begins with; 1 or more keeps what was read for longer.",
        show_default="the cell's own",
    ),
]

Minutes = Annotated[float | None, option(LENGTH, "Minutes at most, all sessions together.")]
Epochs = Annotated[float | None, option(LENGTH, "Epochs at most.")]
Steps = Annotated[int | None, option(LENGTH, "Steps at most.", min=1)]
Patience = Annotated[
    int, option(LENGTH, "End after so many validations without improvement.", min=1)
]
CheckpointSeconds = Annotated[float, option(LENGTH, "A checkpoint at least so often.", min=0)]

Optimizer = Annotated[str, option(STEPS, "adamw, adam, rmsprop, sgd or ntasgd.")]
Clip = Annotated[float, option(STEPS, "The gradient's norm is cut to this; 0 never cuts.", min=0)]
ClipValue = Annotated[
    float,
    option(STEPS, "Each number of the gradient is cut to ± this before; 0 never cuts.", min=0),
]
Seed = Annotated[int, option(STEPS, "What every random number comes from.", min=0)]
Threads = Annotated[
    int | None, option(STEPS, "Processor threads.", show_default="one for each core", min=1)
]
Device = Annotated[str, option(STEPS, "auto, cpu, cuda or mps.")]


def chosen_settings(kind: Any, chosen: dict[str, Any], **others: Any) -> Any:
    """Return a task's settings.

    Args:
        kind: Their class.
        chosen: The options of the command, by name.
        others: Settings that are no option of the same name.
    """
    from gatewise.cli.cell_option import find_cell

    values = {each.name: chosen[each.name] for each in fields(kind) if each.name in chosen}
    return kind(**{**values, "cell": find_cell(chosen["cell"]), **others})
