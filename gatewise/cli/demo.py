"""`gatewise demo`: what recurrent networks remember, measured in two minutes."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gatewise.cli.failure import failures_explained

DISTANCES = (5, 10, 20, 40, 70, 100)  # words between clue and answer
STEPS, BATCH = 2500, 64
SENTENCES = 200  # of each kind and distance, to measure on
MEASURED = 100  # of each kind, to measure the gradient on


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(demo)


def demo(
    cells: Annotated[
        str, typer.Option(help="What to compare: cells of the catalogue, with commas.")
    ] = "rnn,lstm,gru",
    hidden: Annotated[int, typer.Option(min=1, help="Hidden size of each.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="What every random number comes from.")] = 0,
    minutes: Annotated[
        float, typer.Option(min=0.01, help="Training ends after so many minutes at the latest.")
    ] = 1.5,
    picture: Annotated[
        Path, typer.Option(help="Where the picture goes: a .png, .svg or .pdf file.")
    ] = Path("gatewise-demo.png"),
    quick: Annotated[
        bool, typer.Option("--quick", help="A few seconds, too few to learn much: to try it out.")
    ] = False,
) -> None:
    """Train an RNN, an LSTM and a GRU side by side, and measure what they remember.

    They read generated sentences such as "I live in France. ... I speak fluent" and say the next
    word, which was settled 5 to 100 words before. This needs no data and no network, and less than
    two minutes on two cores.
    """
    with failures_explained():
        try:
            names = [name.strip() for name in cells.split(",")]
            show_demo(names, hidden, seed, minutes, picture, quick)
        except KeyboardInterrupt:
            typer.echo("\nStopped; no picture was written.")
            raise typer.Exit(130) from None


def show_demo(
    names: list[str], hidden: int, seed: int, minutes: float, picture: Path, quick: bool
) -> None:
    """Train, measure and show everything."""
    from rich.console import Console

    from gatewise.cli.demo_display import introduce, report
    from gatewise.cli.demo_findings import measure
    from gatewise.cli.demo_picture import check_picture, draw_picture
    from gatewise.data.whole_file import write_whole
    from gatewise.tasks.memory import Vocabulary, draw_examples
    from gatewise.tasks.sentences import vocabulary
    from gatewise.training.side_by_side import Pace

    check_picture(picture)
    console = Console(highlight=False)
    words = Vocabulary(vocabulary())
    models = build_models(names, len(words), hidden, seed)
    examples = draw_examples(DISTANCES[:3] if quick else DISTANCES, SENTENCES, seed)
    introduce(console, models, examples)
    pace = Pace(STEPS // 50 if quick else STEPS, minutes)
    findings = measure(
        models,
        words,
        examples,
        MEASURED,
        lambda: train(console, models, words, examples, pace, seed),
    )
    write_whole(picture, draw_picture(findings, picture.suffix[1:].lower()))
    report(console, findings, models, words, examples)
    console.print(f"\nThe picture: {picture}", markup=False)


def build_models(names: list[str], vocabulary: int, hidden: int, seed: int) -> dict[str, Any]:
    """One network for each cell, all from the same seed."""
    import torch

    from gatewise.cells import get
    from gatewise.cli.cell_option import find_cell
    from gatewise.tasks.memory import MemoryModel

    models = {}
    for name in names:
        cell = find_cell(name)
        if get(cell).name in models:
            raise ValueError(f"--cells: {name} is named twice")
        torch.manual_seed(seed)
        models[get(cell).name] = MemoryModel(cell, vocabulary, hidden)
    return models


def train(
    console: Any, models: dict[str, Any], words: Any, examples: Any, pace: Any, seed: int
) -> None:
    """Train all networks on the same sentences, none of which they are measured on."""
    from gatewise.cli.demo_display import TrainingDisplay
    from gatewise.tasks.memory import Course
    from gatewise.training.side_by_side import train_side_by_side

    farthest = max(distance for _, distance in examples)
    held_out = (sentence for sentences in examples.values() for sentence in sentences)
    course = Course(farthest, seed, held_out)
    with TrainingDisplay(console, list(models), pace, course) as display:
        steps = train_side_by_side(
            models,
            lambda share: words.batch(course.sentences(BATCH, share)),
            pace,
            display.stepped,
        )
    display.finished(steps)
