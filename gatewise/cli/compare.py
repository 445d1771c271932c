"""`gatewise compare`: cells side by side on tasks that ask for a long memory."""

import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained

DEFAULT_LENGTH = "100"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(compare)


def compare(
    task: Annotated[
        str,
        typer.Option(
            help="adding, multiplication, temporal-order, temporal-order-3, noise-free-lag, "
            "noisy-lag, two-sequences, copy, recall; pixels with --data."
        ),
    ] = "adding",
    cells: Annotated[
        str,
        typer.Option(
            help="What to compare, with commas: cells of the catalogue, or of your own: "
            "path/to/file.py:name."
        ),
    ] = "rnn,lstm,gru",
    length: Annotated[
        str | None,
        typer.Option(help="Length or lag, or several with commas.", show_default=DEFAULT_LENGTH),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, help="How many runs of each, for the spread.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="The first of the seeds.")] = 0,
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="The report, a .md file; .html, .png and .json stand beside it."
        ),
    ] = Path("compare.md"),
    restart: Annotated[
        bool, typer.Option("--restart", help="Do all runs again, whatever is kept.")
    ] = False,
    data: Annotated[
        Path | None,
        typer.Option(help="For pixels: the training images, an idx file; labels lie beside it."),
    ] = None,
    test_data: Annotated[
        Path | None,
        typer.Option(
            help="For pixels: the images to measure on.", show_default="t10k… beside train…"
        ),
    ] = None,
    hidden: Annotated[int, typer.Option(min=1, help="Hidden size of each.")] = 64,
    sequences: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Each run learns from so many at most.",
            show_default="as many as Hochreiter & Schmidhuber needed, from 20,000 to 250,000; or "
            "100,000",
        ),
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(min=0.01, help="Each run ends after so many minutes.")
    ] = None,
    batch: Annotated[int, typer.Option(min=1, help="Sequences learned from at once.")] = 20,
    optimizer: Annotated[str, typer.Option(help="adam, adamw, rmsprop or sgd.")] = "adam",
    learning_rate: Annotated[
        float | None,
        typer.Option(help="The highest.", show_default="the optimiser's"),
    ] = None,
    clip: Annotated[
        float, typer.Option(min=0, help="Norm that gradients are cut to; 0 never cuts.")
    ] = 1.0,
    forget: Annotated[
        str,
        typer.Option(
            help="What forget gates begin with: chrono (time scales up to the length), a bias, or "
            "none."
        ),
    ] = "chrono",
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Runs at a time.", show_default="one for each core"),
    ] = None,
) -> None:
    """Train several cells on the same long-lag task, with the same data and the same budget.

    Says how many sequences each needs until it has solved the task, with the spread over seeds, and
    what it makes of sequences it has not met; draws the loss against the sequences seen. A run that
    is over is kept: the same command goes on after Ctrl-C or a kill, and with more cells, lengths
    or seeds it does what is missing.
    """
    chosen = dict(locals())
    with failures_explained():
        compare_with(chosen)


def compare_with(chosen: dict[str, Any]) -> None:
    """Compare with the options of the command line."""
    from gatewise.cli.cell_option import find_cell
    from gatewise.cli.compare_display import ComparisonDisplay, show_comparison
    from gatewise.training.comparison.cells import compare, forget_outcomes, plan_runs
    from gatewise.training.comparison.report import report_comparison
    from gatewise.training.comparison.run import RunSettings
    from gatewise.training.plan import Stopped

    output: Path = chosen["output"]
    folder = check_output(output)
    names = RunSettings.__dataclass_fields__.keys() - {"forget"}
    settings = RunSettings(
        **{name: chosen[name] for name in names}, forget=read_forget(chosen["forget"])
    )
    cells = [find_cell(name.strip()) for name in chosen["cells"].split(",")]
    seeds = range(chosen["seed"], chosen["seed"] + chosen["seeds"])
    runs = plan_runs(build_tasks(chosen), cells, seeds, settings)
    if chosen["restart"]:
        forget_outcomes(runs, folder)
    with ComparisonDisplay(runs) as display:
        try:
            comparison = compare(runs, folder, chosen["jobs"], display.watch)
        except Stopped:
            display.stopped(folder)
            raise typer.Exit(130) from None
    show_comparison(display.console, comparison)
    words = ["gatewise", *sys.argv[1:]]
    files = report_comparison(comparison, output, shlex.join(words))
    display.console.print(f"\nWritten: {', '.join(map(str, files))}", markup=False)


def check_output(output: Path) -> Path:
    """Return the folder that finished runs are kept in; raise a ValueError for a bad output."""
    if output.suffix != ".md":
        raise ValueError(f"-o {output}: a report is called something.md")
    if output.is_dir() or not output.absolute().parent.is_dir():
        why = "is a folder" if output.is_dir() else f"no folder {output.absolute().parent}"
        raise ValueError(f"-o {output}: {why}")
    return output.with_suffix(".runs")


def build_tasks(chosen: dict[str, Any]) -> list[Any]:
    """Return the task at every length."""
    from gatewise.tasks.long_lag_catalogue import SHORTEST, TASKS

    name = chosen["task"]
    if name == "pixels":
        return [read_pixels(chosen)]
    if name not in TASKS:
        raise ValueError(f"--task {name}: there are {', '.join(TASKS)}, pixels")
    if chosen["data"] or chosen["test_data"]:
        raise ValueError(f"--data: the task {name} is generated; leave it out")
    lengths = []
    for text in (chosen["length"] or DEFAULT_LENGTH).split(","):
        if not text.strip().isdecimal() or int(text) < SHORTEST:
            raise ValueError(f"--length {text}: a whole number from {SHORTEST} on is needed")
        if int(text) in lengths:
            raise ValueError(f"--length: {text} is named twice")
        lengths.append(int(text))
    return [TASKS[name](T) for T in lengths]


def read_pixels(chosen: dict[str, Any]) -> Any:
    """Return the task of the images that `--data` names."""
    from gatewise.training.comparison.images import read_image_task

    if chosen["data"] is None:
        raise ValueError(
            "--task pixels: name the training images with --data, such as "
            "mnist/train-images-idx3-ubyte.gz"
        )
    if chosen["length"]:
        raise ValueError("--length: the images have their own; leave it out")
    return read_image_task(chosen["data"], chosen["test_data"])


def read_forget(text: str) -> Any:
    """Return the setting `forget`."""
    if text in ("chrono", "none"):
        return None if text == "none" else text
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"--forget {text}: chrono, none, or a number is needed") from None
