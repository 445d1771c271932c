"""Every task with data and a network so small that training takes a second or two."""

from pathlib import Path
from pydoc_data.topics import topics
from typing import Any, NamedTuple

import numpy as np

from gatewise.training.classification.settings import ClassificationSettings
from gatewise.training.classification.training import train_classifier
from gatewise.training.forecast.settings import ForecastSettings
from gatewise.training.forecast.training import train_forecast
from gatewise.training.generator.settings import GeneratorSettings
from gatewise.training.generator.training import train_generator
from gatewise.training.music.settings import MusicSettings
from gatewise.training.music.training import train_music
from gatewise.training.text.settings import TextSettings
from gatewise.training.text.training import train_text
from gatewise.training.translation.settings import TranslationSettings
from gatewise.training.translation.training import train_translator


class Tiny(NamedTuple):
    """A task.

    Attributes:
        data: Writes its file into a folder, and returns the path.
        settings: Their class.
        train: Trains on data, to a model file, by settings.
        options: Settings that make it small.
    """

    data: Any
    settings: Any
    train: Any
    options: dict[str, Any]

    def values(self, **changes: Any) -> dict[str, Any]:
        """Return settings that make it small, by name; arguments replace them."""
        common = {"hidden": 8, "steps": 30, "validate_every": 10, "device": "cpu"}
        return common | self.options | changes

    def chosen(self, **changes: Any) -> Any:
        """Return small settings; arguments replace them."""
        return self.settings(**self.values(**changes))


def text(folder: Path) -> Path:
    path = folder / "text.txt"
    path.write_text("\n".join(topics[name] for name in sorted(topics))[:12_000])
    return path


def reviews(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    words = {"good": "fine great lovely superb", "bad": "poor dull awful weak"}
    lines = [
        f"{' '.join(draw.choice([*kind.split(), 'the', 'a', 'film'], 5 + k % 4))},{label}"
        for k in range(90)
        for label, kind in words.items()
    ]
    path = folder / "reviews.csv"
    path.write_text("text,label\n" + "\n".join(lines) + "\n")
    return path


def waves(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    lines = ["@classLabel true down up", "@data"]
    for k in range(60):
        steps = np.arange(8 + k % 4) * (1 if k % 2 else -1)
        channels = (steps + draw.standard_normal(len(steps)) for _ in range(2))
        written = ":".join(",".join(f"{value:.3f}" for value in each) for each in channels)
        lines.append(f"{written}:{['down', 'up'][k % 2]}")
    path = folder / "waves.ts"
    path.write_text("\n".join(lines) + "\n")
    return path


def series(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    values = 10 + np.sin(2 * np.pi * np.arange(150) / 12) + 0.1 * draw.standard_normal(150)
    months = np.datetime64("2001-01") + np.arange(150)
    path = folder / "series.csv"
    rows = zip(months, values, strict=True)
    path.write_text("ds,y\n" + "".join(f"{month}-01,{value:.4f}\n" for month, value in rows))
    return path


def pairs(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    found = ["".join(draw.choice(list("abcd"), 3 + k % 3)) for k in range(120)]
    path = folder / "pairs.tsv"
    path.write_text("".join(f"{each}\t{each[::-1]}\n" for each in found))
    return path


def grammar(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    path = folder / "grammar.txt"
    lines = ("ab" * draw.integers(1, 5) + "c" * draw.integers(1, 3) for _ in range(80))
    path.write_text("\n".join(lines) + "\n")
    return path


def music(folder: Path) -> Path:
    draw = np.random.default_rng(0)
    path = folder / "music.npz"
    np.savez(path, train=draw.random((9, 12, 88)) < 0.05, valid=draw.random((3, 12, 88)) < 0.05)
    return path


def train_one_text(data: Path, *arguments: Any, **options: Any) -> Any:
    return train_text([data], *arguments, **options)


def train_pairs(data: Path, *arguments: Any, **options: Any) -> Any:
    return train_translator(data, None, *arguments, **options)


TINY = {
    "text": Tiny(
        text, TextSettings, train_one_text, {"embedding": 8, "batch_size": 4, "window": 16}
    ),
    "classify": Tiny(
        reviews, ClassificationSettings, train_classifier, {"embedding": 8, "batch_size": 8}
    ),
    "numbers": Tiny(waves, ClassificationSettings, train_classifier, {"batch_size": 8}),
    "forecast": Tiny(
        series, ForecastSettings, train_forecast, {"horizon": 6, "lookback": 24, "batch_size": 8}
    ),
    "translate": Tiny(
        pairs,
        TranslationSettings,
        train_pairs,
        {"source_tokens": "characters", "target_tokens": "characters", "batch_size": 8},
    ),
    "sequences": Tiny(grammar, GeneratorSettings, train_generator, {"batch_size": 8}),
    "music": Tiny(music, MusicSettings, train_music, {"batch_size": 2}),
}
