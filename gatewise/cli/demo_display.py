"""How the demonstration looks in a terminal."""

import time
from collections.abc import Mapping
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn
from rich.table import Table

from gatewise.cli.demo_findings import Findings, conclude, guessing, power, shown
from gatewise.cli.live_display import clock
from gatewise.data.amount import amount
from gatewise.tasks.memory import Course, Examples, MemoryModel, Vocabulary, guess
from gatewise.tasks.sentences import KINDS, Sentence
from gatewise.training.side_by_side import Learner, Pace

PLAIN_EVERY = 15.0  # seconds between lines where nothing can move


class TrainingDisplay:
    """One line for each network that learns; plain lines where the output is no terminal.

    Args:
        console: where to write.
        cells: names of the networks.
        pace: how long they learn.
        course: what they learn from.
    """

    def __init__(self, console: Console, cells: list[str], pace: Pace, course: Course):
        self.console, self.pace, self.course = console, pace, course
        self.bar = Progress(
            TextColumn("{task.fields[cell]:>8}"),
            BarColumn(bar_width=None, complete_style="green", finished_style="green"),
            TextColumn("{task.description}"),
            console=console,
            expand=True,
            transient=True,
            disable=not console.is_terminal,
        )
        self.lines = {
            cell: self.bar.add_task("waiting", total=1.0, cell=shown(cell)) for cell in cells
        }
        self.line = self.bar.add_task("", total=1.0, cell="")

    def __enter__(self) -> Self:
        self.begin = self.said = time.monotonic()
        self.bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.stop()

    def stepped(self, step: int, share: float, learners: Mapping[str, Learner]) -> None:
        """Show how far the training is, and what the networks know of the sentences so far."""
        now = time.monotonic()
        if not self.console.is_terminal and now - self.said < PLAIN_EVERY:
            return
        self.said = now
        states = {cell: describe(learner) for cell, learner in learners.items()}
        course = (
            f"step {step:,} · up to {self.course.reach(share):.0f} words apart · "
            f"{clock(now - self.begin)} of at most {clock(60 * self.pace.minutes)}"
        )
        if self.console.is_terminal:
            for cell, state in states.items():
                self.bar.update(self.lines[cell], completed=share, description=state)
            self.bar.update(self.line, completed=share, description=course)
        else:
            self.console.print(f"{share:4.0%}  {course}")
            for cell, state in states.items():
                self.console.print(f"      {shown(cell):<8} {state}")

    def finished(self, steps: int) -> None:
        """Say how long it took."""
        took = clock(time.monotonic() - self.begin)
        early = f" of {self.pace.steps:,}: the time was over" if steps < self.pace.steps else ""
        self.console.print(f"trained    {amount(steps, 'step')}{early}; {took} minutes\n")


def introduce(console: Console, models: Mapping[str, MemoryModel], examples: Examples) -> None:
    """Say what is trained on what."""
    sizes = ", ".join(
        f"{shown(cell)} ({sum(p.numel() for p in model.parameters()):,} weights)"
        for cell, model in models.items()
    )
    console.print(f"[bold]networks[/bold]   {sizes}")
    near, far = min(d for _, d in examples), max(d for _, d in examples)
    for kind in KINDS:
        sentence = examples[kind, near][0]
        console.print(f"[bold]{kind:<11}[/bold]{sentence.text} ___ ({sentence.answer})")
    console.print(f"           and the like, with {near} to {far} words between clue and answer\n")


def report(
    console: Console,
    findings: Findings,
    models: Mapping[str, MemoryModel],
    vocabulary: Vocabulary,
    examples: Examples,
) -> None:
    """Show what was measured, some sentences with guesses, and what follows."""
    far = findings.distances[-1]
    count = len(examples[next(iter(KINDS)), far])
    console.print(f"[bold]Right answers[/bold] in {count} new sentences each, by the words between")
    console.print(accuracy_table(findings))
    console.print(
        "\n[bold]Gradient[/bold] of the loss by the hidden state k words before the last, as a "
        "share of that at the last"
    )
    console.print(gradient_table(findings))
    console.print("\n[bold]Guesses[/bold] in the first of these sentences")
    for kind in KINDS:
        show_guesses(console, models, examples[kind, far][0], vocabulary)
    console.print()
    for conclusion in conclude(findings):
        console.print(conclusion)


def describe(learner: Learner) -> str:
    """Say how a network does on the sentences that it learns from."""
    return f"loss {learner.recent_loss:5.2f}, {learner.recent_accuracy:4.0%} right"


def accuracy_table(findings: Findings) -> Table:
    """Right answers by kind of sentence, cell and distance."""
    table = plain_table("words between", "", *map(str, findings.distances))
    for kind in KINDS:
        for cell in findings.cells:
            row = [findings.accuracy[cell][kind, distance] for distance in findings.distances]
            first = kind if cell == findings.cells[0] else ""
            table.add_row(first, shown(cell), *(f"{share:.0%}" for share in row))
        table.add_section()
    table.add_row("guessing", "", *[f"{guessing():.0%}"] * len(findings.distances))
    return table


def gradient_table(findings: Findings) -> Table:
    """The share of the gradient that reaches back, by cell and lag."""
    lags = (1, *findings.distances)
    table = plain_table("words back", "", *map(str, lags))
    for name, shares in (("untrained", findings.untrained), ("trained", findings.trained)):
        for cell in findings.cells:
            row = [power(shares[cell][lag]) for lag in lags]
            table.add_row(name if cell == findings.cells[0] else "", shown(cell), *row)
        table.add_section()
    return table


def plain_table(first: str, *columns: str) -> Table:
    """A table without lines, its numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column(first, no_wrap=False, max_width=16)
    table.add_column(columns[0])
    for column in columns[1:]:
        table.add_column(column, justify="right", no_wrap=True)
    return table


def show_guesses(
    console: Console,
    models: Mapping[str, MemoryModel],
    sentence: Sentence,
    vocabulary: Vocabulary,
) -> None:
    """Show a sentence and what each network would say next."""
    console.print(f"[bold]{shortened(sentence.text)} ___[/bold]  ({sentence.answer})")
    for cell, model in models.items():
        guesses = guess(model, sentence, vocabulary)
        mark = "[green]✓[/green]" if guesses[0][0] == sentence.answer else "[red]✗[/red]"
        words = ", ".join(f"{word} {probability:.0%}" for word, probability in guesses)
        console.print(f"  {mark} {shown(cell):<8} {words}")


def shortened(text: str) -> str:
    """The first and the last sentence of a text, and how many words lie between them."""
    first, *between, last = text.split(". ")
    if len(between) < 2:
        return text
    words = len(" ".join(between).split())
    return f"{first}. … ({words} words) … {last}"
