"""How a language model's training looks: a table of validations above one line that moves."""

import math

from rich.console import Console
from rich.table import Table

from gatewise.cli.live_display import LiveDisplay, describe_plan, ended, is_best
from gatewise.data.corpus import Corpus
from gatewise.tasks.language import bits_per_character, perplexity
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.text import Run, TextDisplay
from gatewise.training.text_settings import TextSettings


class LiveTextDisplay(LiveDisplay, TextDisplay):
    """Shows a language model's training.

    Args:
        console: Where to write; None is standard output.
    """

    def __init__(self, console: Console | None = None):
        super().__init__(console)
        self.run: Run | None = None

    def started(self, run: Run) -> None:
        """Say what is trained on what, and what earlier sessions measured."""
        self.run = run
        self.begin(share_spent(run))
        for file in run.files:
            if file.guessed:
                self.console.print(
                    f"{file.path}: read as {file.encoding}, a guess; --encoding names another",
                    style="yellow",
                )
        self.console.print(summary(run), "")
        self.console.print(heading(run.settings), style="bold")
        for number, measured in enumerate(run.progress.history):
            best = is_best(run.progress.history[: number + 1])
            self.console.print(row(measured, run.corpus, run.settings, best))

    def stepped(self, progress: Progress, loss: float, spent: float) -> None:
        """Move the line."""
        assert self.run is not None
        loss = self.smooth(loss)
        begun = f"epoch {epochs(progress, self.run):.1f}"
        figures = [begun, f"loss {loss:.3f}", figure(loss, self.run)]
        per_step = self.run.streams.tokens_per_window
        self.advance(progress, spent, figures, per_step, "tokens")

    def validated(self, progress: Progress) -> None:
        """Write a row of the table."""
        assert self.run is not None
        best = is_best(progress.history)
        self.console.print(row(progress.history[-1], self.run.corpus, self.run.settings, best))

    def finished(self, progress: Progress) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        run, best = self.run, progress.best
        assert run is not None
        assert best is not None
        loss = best.validation
        nats = f"{loss:.4f} nats per {unit(run.settings)}"
        size = run.output.stat().st_size / 1e6
        self.console.print(
            f"\n{ended(progress, run.settings.patience)}\n"
            f"Best: {nats}, {bits(loss, run.corpus):.3f} bits per character, "
            f"at epoch {best.epoch:.2f}.\n"
            f"{run.output} ({size:.1f} MB) holds that model, "
            f"{run.output.with_suffix('.html')} the report. Try it:\n"
            f"  gatewise generate {run.output} --length 300",
            soft_wrap=True,  # so that paths can be copied
        )


def summary(run: Run) -> Table:
    """Return what is trained on what, and how far it is."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="bold")
    table.add_row("text", describe_text(run))
    table.add_row("model", describe_model(run))
    streams = run.streams
    read = f"{streams.batch_size} streams × {streams.window} steps"
    table.add_row("training", describe_plan(run.plan, read, streams.windows_per_epoch))
    if run.progress.step:
        table.add_row("resumed", f"at step {run.progress.step:,}, {share_spent(run):.0%} done")
    return table


def heading(settings: TextSettings) -> str:
    """Return the table's first line."""
    columns = f"{'epoch':>8}{'step':>9}{'training':>11}{'validation':>12}"
    if settings.tokens != "characters":
        columns += f"{'perplexity':>12}"
    return columns + f"{'bits/char':>11}"


def row(measured: Measurement, corpus: Corpus, settings: TextSettings, best: bool) -> str:
    """Return one line of the table."""
    columns = (
        f"{measured.epoch:8.2f}{measured.step:9,}{measured.training:11.4f}"
        f"{measured.validation:12.4f}"
    )
    if settings.tokens != "characters":
        columns += f"{perplexity(measured.validation):12.1f}"
    return columns + f"{bits(measured.validation, corpus):11.3f}" + ("  best" if best else "")


def bits(nats_per_token: float, corpus: Corpus) -> float:
    """Return bits per character of the validation text."""
    tokens = corpus.validation
    return bits_per_character(nats_per_token, tokens.count, tokens.characters)


def figure(loss: float, run: Run) -> str:
    """Return the figure that people know for such tokens."""
    if run.settings.tokens == "characters":
        return f"{loss / math.log(2):.2f} bits/char"
    return f"perplexity {perplexity(loss):.1f}"


def unit(settings: TextSettings) -> str:
    """Return what one token is called."""
    return {"characters": "character", "words": "word"}.get(settings.tokens, "token")


def epochs(progress: Progress, run: Run) -> float:
    """Return the epochs done, with a fraction."""
    epoch, window = progress.cursor
    return epoch + window / run.streams.windows_per_epoch


def share_spent(run: Run) -> float:
    """Return the share of the budget that earlier sessions used."""
    return run.plan.budget.spent(run.progress.step, run.progress.seconds)


def describe_text(run: Run) -> str:
    """Say what is read."""
    training, validation = run.corpus.training, run.corpus.validation
    kinds = {"characters": "different characters", "words": "different words", "bpe": "byte pairs"}
    names = ", ".join(file.path.name for file in run.files)
    return (
        f"{names}: {training.characters:,} characters to learn from, "
        f"{validation.characters:,} to measure on, "
        f"{run.corpus.tokenizer.size:,} {kinds[run.settings.tokens]}"
    )


def describe_model(run: Run) -> str:
    """Say what is trained."""
    settings = run.settings
    name = settings.cell if isinstance(settings.cell, str) else settings.cell.name
    layers = "1 layer" if settings.layers == 1 else f"{settings.layers} layers"
    said = f"{name}, {layers} of {settings.hidden}, {run.parameters:,} weights"
    if settings.tie:
        return f"{said}, input and output share their embedding"
    return f"{said}, adaptive softmax" if settings.softmax == "adaptive" else said
