"""The table of needs: every promise names tests, and those exist."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
PAGE = (TESTS.parent / "docs" / "needs.md").read_text(encoding="utf-8")
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in PAGE.splitlines()
    if re.match(r"\| \d", line)
]
NAMED = sorted(set(re.findall(r"`([\w/]+\.py)::(\w+)`", PAGE)))


@cache
def names_in(path: str) -> set[str]:
    """Names of the functions that pytest collects from a file."""
    tree = ast.parse((TESTS / path).read_text(encoding="utf-8"))
    bodies = [tree, *(node for node in tree.body if isinstance(node, ast.ClassDef))]
    return {
        node.name
        for body in bodies
        for node in body.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }


@pytest.mark.parametrize(("path", "name"), NAMED)
def test_a_named_test_exists(path, name):
    assert name in names_in(path), f"tests/{path} has no {name}: docs/needs.md promises it"


def test_every_need_has_a_state_and_a_test():
    assert [int(row[0]) for row in ROWS] == list(range(1, len(ROWS) + 1))
    assert len(ROWS) == 18
    for number, need, state, says, tests in ROWS:
        assert state in ("done", "partly", "not"), number
        assert need, number
        assert says, number
        assert state == "not" or re.fullmatch(r"(`[\w/]+\.py::\w+`\s*)+", tests), number
        # what is not whole says what is missing
        assert state != "partly" or re.search(r"\b(No|not|alone|On a GPU)\b", says), number
