"""The tutorial: every number and picture in it is what its code makes."""

from __future__ import annotations

import ast
import itertools
import re

import pytest
from matplotlib.testing.compare import compare_images

from docs.pages import blocks, label
from docs.tutorial.build import CHAPTERS, PICTURES, TUTORIAL, Chapter, run_chapter

INDEX = TUTORIAL / "index.md"
NUMBER = re.compile(r"(?<![\w.])(-?\d+(?:\.\d+)?(?:e[+-]?\d+)?)( ?%)?")
PICTURE = re.compile(r"!\[([^]]*)\]\((pictures/[^)]+)\)")
LIKE = 3  # root mean square of the differences of two pictures' colours, of 255
LEARNED = 28  # likewise, of what a training on another processor makes


def allowed(wanted: str, percent: bool, learned: bool) -> float:
    """How far a number may be from the one that the page shows.

    One in the last digit, for rounding. Training amplifies rounding: what was learned may come out
    otherwise on another processor, by ten of a hundred, by 0.03, or by 30 %.
    """
    mantissa, _, exponent = wanted.partition("e")
    whole = wanted.lstrip("-").isdigit()
    last_digit = 10.0 ** (int(exponent or 0) - len(mantissa.partition(".")[2]))
    if not learned:
        return 0.0 if whole and not percent else 1.01 * last_digit
    if percent and whole:
        return 10.0
    share = 0.3 * abs(float(wanted))
    return max(0.03, share) if not whole else share * (abs(float(wanted)) >= 10)


def differs(printed: str, shown: str, learned: bool = False) -> str | None:
    """What is different in two outputs beyond what is allowed; None if nothing is."""
    words, expected = (NUMBER.sub("0", text).split() for text in (printed, shown))
    if words != expected:
        return f"printed\n{printed}\nthe page shows\n{shown}"
    for (number, _), (wanted, percent) in zip(
        NUMBER.findall(printed), NUMBER.findall(shown), strict=True
    ):
        if abs(float(number) - float(wanted)) > allowed(wanted, bool(percent), learned):
            return f"{number} where the page shows {wanted}, in\n{printed}"
    return None


def compare_chapter(chapter: Chapter) -> list[str]:
    """All that is not as the page shows it."""
    found = [
        f"{place}: {difference}"
        for block, place, printed in chapter.printed
        if (difference := differs(printed.rstrip(), (block.output or "").rstrip(), block.learned))
    ]
    for place, path in chapter.pictures.items():
        tolerance = LEARNED if place in chapter.learned else LIKE
        if difference := compare_images(str(TUTORIAL / place), str(path), tolerance):
            found.append(f"{place}: {difference}")
    return found


@pytest.mark.slow
@pytest.mark.kernels
@pytest.mark.parametrize("page", CHAPTERS, ids=label)
def test_chapter_says_what_its_code_says(page, tmp_path):
    chapter = run_chapter(page, tmp_path)
    linked = {target for _, target in PICTURE.findall(page.read_text(encoding="utf-8"))}
    assert set(chapter.pictures) == linked
    assert not (found := compare_chapter(chapter)), "\n\n".join(found)


def test_comparison_sees_a_wrong_number():
    assert differs("loss 0.43 at 10", "loss 0.42 at 10") is None
    assert differs("left 1.01e-20", "left 1.02e-20") is None
    assert "0.5 where" in (differs("loss 0.5", "loss 0.42") or "")
    assert "2e-20 where" in (differs("left 2e-20", "left 1e-22") or "")
    assert "11 where" in (differs("at 11", "at 10") or "")
    assert "printed" in (differs("lstm 0.42", "rnn 0.42") or "")


def test_what_was_learned_may_differ_a_little():
    assert differs("46% right, off by 0.09, 54", "49% right, off by 0.07, 52", learned=True) is None
    assert "52 where" in (differs("52% right", "100% right", learned=True) or "")
    assert "0.43 where" in (differs("off by 0.43", "off by 0.09", learned=True) or "")
    assert "4 where" in (differs("step 4", "step 3", learned=True) or "")
    assert "printed" in (differs("says French", "says Spanish", learned=True) or "")


def test_every_chapter_is_reached():
    listed = re.findall(r"\((\d-[\w-]+\.md)\)", INDEX.read_text(encoding="utf-8"))
    assert listed == [page.name for page in CHAPTERS]
    for page, following in itertools.pairwise(CHAPTERS):
        assert page.read_text(encoding="utf-8").rstrip().endswith(f"({following.name})")


@pytest.mark.parametrize("page", CHAPTERS, ids=label)
def test_blocks_are_python_and_outputs_are_filled_in(page):
    found = blocks(page, "python")
    assert found
    for block in found:
        place = f"{label(page)}:{block.line}"
        ast.parse(block.text, place)
        assert block.output is None or block.output.strip(), f"{place}: run docs.tutorial.build"
    known = len(blocks(page, "python", "sh", "text"))
    assert known == page.read_text(encoding="utf-8").count("```") / 2, (
        "a block of no known language"
    )


def test_every_picture_is_shown_with_words_for_those_who_do_not_see_it():
    shown = {}
    for page in CHAPTERS:
        for words, target in PICTURE.findall(page.read_text(encoding="utf-8")):
            shown[target] = words
    assert set(shown) == {f"pictures/{path.name}" for path in PICTURES.glob("*.png")}
    assert all(len(words.split()) >= 8 for words in shown.values())
