import io
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from gatewise.cli import live_display
from gatewise.cli.live_display import clock
from gatewise.cli.text_display import LiveTextDisplay
from gatewise.cli.training_display import ended
from gatewise.data.tokens.characters import CharacterTokenizer
from gatewise.data.tokens.corpus import Corpus
from gatewise.data.tokens.streams import TrainingStreams
from gatewise.data.tokens.token_file import TokenFile
from gatewise.training.checkpoint import Measurement, Progress
from gatewise.training.plan import Run
from gatewise.training.text.settings import TextSettings


class Time:
    """A clock that a test sets."""

    now = 0.0

    def monotonic(self):
        return self.now


@pytest.fixture
def time(monkeypatch):
    made = Time()
    monkeypatch.setattr(live_display, "time", made)
    return made


class Task:
    """A text of 20 windows in an epoch, and a model of 1,234 weights."""

    model = torch.nn.Linear(1234, 1, bias=False)
    batches_per_epoch = 20

    def __init__(self, settings, corpus):
        self.settings, self.corpus = settings, corpus
        self.streams = TrainingStreams(np.zeros(801), 4, 10)


def run(progress, **changes):
    tokens = TokenFile(Path("t"), 900, "uint8", 900)
    corpus = Corpus(CharacterTokenizer("ab\n"), tokens, tokens)
    settings = TextSettings(**({"steps": 100, "batch_size": 4, "window": 10} | changes))
    task = Task(settings.chosen_for(corpus), corpus)
    plan = task.settings.plan(20, 40, 900)
    said = ("old.txt: read as cp1252, a guess; --encoding names another",)
    return Run("old.txt", task, plan, Path("m.safetensors"), progress, said)


def display(terminal):
    text = io.StringIO()
    console = Console(file=text, force_terminal=terminal, width=120, highlight=False)
    return LiveTextDisplay(console), text


def train(shown, time, steps, seconds_per_step):
    for step in steps:
        time.now += seconds_per_step
        shown.stepped(Progress(step, (0, step % 20)), 2.0, step / 100)


def test_plain_lines_come_twice_a_minute(time):
    shown, text = display(False)
    with shown:
        shown.started(run(Progress()))
        train(shown, time, range(1, 81), 1.0)
    lines = text.getvalue().splitlines()
    assert any("old.txt: read as cp1252, a guess" in line for line in lines)
    moving = [line for line in lines if "tokens/s" in line]
    assert [line.split("%")[0].strip() for line in moving] == ["30", "60"]
    assert "loss 2.000 · 2.89 bits/char · 40 tokens/s · 1:10 left" in moving[0]


def test_a_terminal_shows_one_line_that_moves(time):
    shown, text = display(True)
    with shown:
        shown.started(run(Progress()))
        train(shown, time, range(1, 51), 0.02)
        shown.bar.refresh()
    assert "epoch 0.5 · loss 2.000 · 2.89 bits/char · 2.0k tokens/s" in text.getvalue()


def test_the_time_left_counts_this_session_alone(time):
    shown, text = display(False)
    with shown:
        shown.started(run(Progress(step=50, seconds=9999.0)))
        train(shown, time, range(51, 91), 1.0)
    assert "0:20 left" in text.getvalue()
    assert "at step 50, 50% done" in text.getvalue()


@pytest.mark.parametrize(("tokens", "expected"), [("characters", 0), ("words", 1), ("bpe", 1)])
def test_perplexity_is_shown_for_what_is_no_character(time, tokens, expected):
    shown, text = display(False)
    progress = Progress(20, (1, 0), 5.0, [Measurement(20, 1.0, 2.5, 2.0)])
    with shown:
        shown.started(run(Progress(), tokens=tokens))
        shown.validated(progress)
    assert text.getvalue().count("perplexity") == expected
    row = text.getvalue().splitlines()[-1].split()
    assert row == ["1.00", "20", "2.5000", "2.0000", *["7.4"] * expected, "2.885", "best"]


def test_only_what_is_better_is_called_best(time):
    shown, text = display(False)
    history = [Measurement(step, step / 20, 3.0, loss) for step, loss in [(1, 3), (2, 2), (3, 2)]]
    shown.started(run(Progress(3, (0, 3), 1.0, history)))
    assert [line.endswith("best") for line in text.getvalue().splitlines()[-3:]] == [
        True,
        True,
        False,
    ]


def test_how_often_clipping_bites_is_said(time):
    shown, text = display(False)
    with shown:
        shown.started(run(Progress()))
        for step in range(1, 41):
            time.now += 1.0
            shown.stepped(Progress(step, (0, step), clipped=step // 4), 2.0, step / 100)
    assert "clipped 23%" in text.getvalue()
    history = [Measurement(20, 1.0, 2.5, 2.0)]
    said = ended(Progress(40, (0, 3), 61.0, history, clipped=10), 5)
    assert said == "Done in 1:01, 40 steps. Gradients were clipped in 25% of the steps."
    assert "clipped" not in ended(Progress(40, (0, 3), 61.0, history), 5)


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.4, "0:00"), (59.6, "1:00"), (754, "12:34"), (7500, "2 h 05 min")]
)
def test_durations(seconds, text):
    assert clock(seconds) == text


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, None),
        ({"tie": True}, "input and output share their embedding"),
        ({"softmax": "adaptive"}, "adaptive softmax"),
    ],
)
def test_the_output_is_said(changes, said):
    shown, text = display(False)
    shown.started(run(Progress(), **changes))
    for sentence in ("input and output share their embedding", "adaptive softmax"):
        assert (sentence in text.getvalue()) == (sentence == said)
