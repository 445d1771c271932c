"""Run the chapters of the tutorial and write what they print, and their pictures, into it.

    python -m docs.tutorial.build [CHAPTER.md ...]

All chapters where none is named. `tests/test_tutorial.py` runs the same and compares.
"""

from __future__ import annotations

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

from docs.pages import Block, run_examples

TUTORIAL = Path(__file__).parent
PICTURES = TUTORIAL / "pictures"
CHAPTERS = sorted(TUTORIAL.glob("[0-9]-*.md"))


@dataclass(frozen=True)
class Chapter:
    """What a chapter made when it ran.

    Attributes:
        printed: each block, its place in words, and what it printed.
        pictures: the pictures that it drew, by their paths below the tutorial's folder.
        learned: those of them that were drawn after something was learned.
    """

    printed: list[tuple[Block, str, str]]
    pictures: dict[str, Path]
    learned: set[str]


def run_chapter(page: Path, folder: Path) -> Chapter:
    """Run a chapter in an empty folder, on one thread, in numbers of 64 bits where it says so."""
    before = torch.get_default_dtype(), torch.get_num_threads()
    drawn = folder / "pictures"
    drawn.mkdir()
    printed, exact = [], set()
    torch.set_num_threads(1)
    try:
        with contextlib.chdir(folder), _plain_pictures():
            for ran in run_examples(page):
                printed.append(ran)
                if not any(block.learned for block, _, _ in printed):
                    exact.update(drawn.iterdir())
    finally:
        torch.set_default_dtype(before[0])
        torch.set_num_threads(before[1])
    pictures = {f"pictures/{path.name}": path for path in drawn.iterdir()}
    learned = {place for place, path in pictures.items() if path not in exact}
    return Chapter(printed, pictures, learned)


@contextlib.contextmanager
def _plain_pictures() -> Iterator[None]:
    """Pictures are drawn without a window, on white, and closed in the end."""
    import matplotlib as mpl
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    try:
        with mpl.rc_context({"savefig.facecolor": "white", "savefig.dpi": 100}):
            yield
    finally:
        plt.close("all")


def write_chapter(page: Path) -> None:
    """Bring the outputs and pictures of a chapter up to date."""
    with tempfile.TemporaryDirectory() as name:
        chapter = run_chapter(page, Path(name))
        text = page.read_text(encoding="utf-8")
        for block, _, printed in reversed(chapter.printed):
            if block.shown_at is not None:
                begin, end = block.shown_at
                text = f"{text[:begin]}{printed.rstrip()}\n{text[end:]}"
        page.write_text(text, encoding="utf-8")
        for place, path in chapter.pictures.items():
            shutil.copyfile(path, TUTORIAL / place)


def main(arguments: list[str]) -> int:
    """Bring chapters up to date; the process's exit status."""
    known = {page.name: page for page in CHAPTERS}
    if unknown := set(arguments) - set(known):
        print(f"no chapter {', '.join(sorted(unknown))}; there are {', '.join(known)}")
        return 2
    for name in arguments or known:
        write_chapter(known[name])
        print(f"wrote docs/tutorial/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
