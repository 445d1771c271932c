"""Pages of documentation: their fenced blocks, and running those that are Python."""

from __future__ import annotations

import contextlib
import doctest
import io
import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import torch

ROOT = Path(__file__).parent.parent
LEARNED = "<!-- learned -->\n"
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the output shown right after it.

    Attributes:
        shown_at: where the text of that output stands in the page, first and last character.
        learned: whether a line ``<!-- learned -->`` stands before it: its numbers come from a
            training, and on another processor they come out a little otherwise.
    """

    language: str
    text: str
    output: str | None
    line: int
    shown_at: tuple[int, int] | None = None
    learned: bool = False


def blocks(page: Path, *languages: str) -> list[Block]:
    """The fenced blocks of a page in these languages."""
    text = page.read_text(encoding="utf-8")
    found = list(FENCE.finditer(text))
    made = []
    for match, after in itertools.zip_longest(found, found[1:]):
        shown = after and after[1] == "text" and not text[match.end() : after.start()].strip()
        output, place = (after[2], after.span(2)) if after and shown else (None, None)
        line = text.count("\n", 0, match.start()) + 1
        learned = text[: match.start()].endswith(LEARNED)
        made.append(Block(match[1], match[2], output, line, place, learned))
    return [block for block in made if block.language in languages]


def label(page: Path) -> str:
    """The page's path in the repository."""
    return str(page.relative_to(ROOT))


def run_examples(page: Path) -> Iterator[tuple[Block, str, str]]:
    """Run the Python blocks of a page one after the other, in one namespace.

    Yields:
        Each block that is no interactive session, its place in words, and what it printed.

    Raises:
        AssertionError: an interactive session printed something else.
    """
    names = {"__name__": "example"}
    torch.manual_seed(0)
    for block in blocks(page, "python"):
        place = f"{label(page)}:{block.line}"
        if ">>>" in block.text:
            _check_session(block, names, place)
            continue
        written = io.StringIO()
        with contextlib.redirect_stdout(written):
            exec(compile("\n" * block.line + block.text, place, "exec"), names)
        yield block, place, written.getvalue()


def _check_session(block: Block, names: dict, place: str) -> None:
    """Run an interactive session and compare what it prints."""
    test = doctest.DocTestParser().get_doctest(block.text, names, place, place, block.line)
    report = io.StringIO()
    runner = doctest.DocTestRunner(optionflags=doctest.ELLIPSIS)
    runner.run(test, out=report.write, clear_globs=False)
    names.update(test.globs)
    assert not runner.failures, report.getvalue()
