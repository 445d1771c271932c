"""How a language model's training looks."""

import math

from gatewise.cli.training_display import TrainingDisplay, describe_network, ended
from gatewise.data.tokens.corpus import Corpus
from gatewise.tasks.language import bits_per_character, perplexity
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.plan import Run
from gatewise.training.text.module import LanguageTraining
from gatewise.training.text.settings import TextSettings


class LiveTextDisplay(TrainingDisplay):
    """Shows a language model's training."""

    unit = "tokens"
    run: Run[LanguageTraining]

    def describe(self, run: Run[LanguageTraining]) -> list[tuple[str, str]]:
        """See `TrainingDisplay.describe`."""
        return [("text", describe_text(run)), ("model", describe_model(run))]

    def read(self, run: Run[LanguageTraining]) -> str:
        """See `TrainingDisplay.read`."""
        return f"{run.task.streams.batch_size} streams × {run.task.streams.window} steps"

    def per_step(self, run: Run[LanguageTraining]) -> float:
        """See `TrainingDisplay.per_step`."""
        return run.task.streams.tokens_per_window

    def figures(self, measured: Measurement) -> dict[str, str]:
        """See `TrainingDisplay.figures`."""
        found = {}
        if self.run.settings.tokens != "characters":
            found["perplexity"] = f"{perplexity(measured.validation):.1f}"
        return found | {"bits/char": f"{bits(measured.validation, self.run.task.corpus):.3f}"}

    def figures_of_loss(self, loss: float) -> list[str]:
        """See `TrainingDisplay.figures_of_loss`."""
        if self.run.settings.tokens == "characters":
            return [f"{loss / math.log(2):.2f} bits/char"]
        return [f"perplexity {perplexity(loss):.1f}"]

    def finished(self, progress: Progress) -> None:
        """Say what came out, and what to do with it."""
        self.bar.stop()
        run, best = self.run, progress.best
        assert best is not None
        nats = f"{best.validation:.4f} nats per {unit(run.settings)}"
        self.console.print(
            f"\n{ended(progress, run.plan.patience)}\n"
            f"Best: {nats}, {bits(best.validation, run.task.corpus):.3f} bits per character, "
            f"at epoch {best.epoch:.2f}.",
            soft_wrap=True,
        )
        self.say_use(f"gatewise generate {run.output} --length 300")


def bits(nats_per_token: float, corpus: Corpus) -> float:
    """Return bits per character of the validation text."""
    tokens = corpus.validation
    return bits_per_character(nats_per_token, tokens.count, tokens.characters)


def unit(settings: TextSettings) -> str:
    """Return what one token is called."""
    return {"characters": "character", "words": "word"}.get(settings.tokens, "token")


def describe_text(run: Run[LanguageTraining]) -> str:
    """Say what is read."""
    corpus = run.task.corpus
    kinds = {"characters": "different characters", "words": "different words", "bpe": "byte pairs"}
    return (
        f"{run.name}: {corpus.training.characters:,} characters to learn from, "
        f"{corpus.validation.characters:,} to measure on, "
        f"{corpus.tokenizer.size:,} {kinds[run.settings.tokens]}"
    )


def describe_model(run: Run[LanguageTraining]) -> str:
    """Say what is trained."""
    said = describe_network(run)
    if run.settings.tie:
        return f"{said}, input and output share their embedding"
    return f"{said}, adaptive softmax" if run.settings.softmax == "adaptive" else said
