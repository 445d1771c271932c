"""A short report beside a model: the same paragraphs, tables and pictures as Markdown and HTML."""

import base64
import html
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gatewise.data.amount import amount
from gatewise.data.whole_file import write_whole

STYLE = (
    ":root{color-scheme:light dark;--ink:#222;--paper:#fff;--line:#ccc;--code:#f4f4f4}"
    "@media(prefers-color-scheme:dark){:root{--ink:#ddd;--paper:#14171c;--line:#444;--code:#20252c}}"
    "body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;"
    "color:var(--ink);background:var(--paper);overflow-wrap:break-word}"
    ".wide{overflow-x:auto}table{border-collapse:collapse;margin:1rem 0}"
    "td,th{padding:.25rem .75rem;border-bottom:1px solid var(--line);text-align:right;"
    "overflow-wrap:normal}"
    "td:first-child,th:first-child{text-align:left;padding-left:0}"
    "img{max-width:100%;border-radius:.25rem}"  # drawn on white
    "pre{background:var(--code);padding:.75rem;white-space:pre-wrap}"
)


@dataclass(frozen=True)
class Heading:
    """A heading of the second level."""

    text: str


@dataclass(frozen=True)
class Paragraph:
    """Plain text."""

    text: str


@dataclass(frozen=True)
class Command:
    """A line for the terminal."""

    text: str


@dataclass(frozen=True)
class Table:
    """A table; the first column holds words, the others numbers.

    Attributes:
        head: Of the columns.
        rows: As many cells each.
    """

    head: Sequence[str]
    rows: Sequence[Sequence[str]]


@dataclass(frozen=True)
class Picture:
    """A picture.

    Attributes:
        name: Of its file, which is written beside the report.
        title: What it shows, in words.
        png: Its bytes.
    """

    name: str
    title: str
    png: bytes


Block = Heading | Paragraph | Command | Table | Picture


def settings_table(settings: Mapping[str, Any]) -> Table:
    """Return settings as the command line names them, those that were chosen too; None is none."""
    rows = [
        [name.replace("_", "-"), ("no", "yes")[value] if isinstance(value, bool) else str(value)]
        for name, value in settings.items()
        if value is not None
    ]
    return Table(["setting", "value"], rows)


def duration(seconds: float) -> str:
    """Show how long something took, such as `48 seconds` or `3.4 minutes`."""
    return amount(round(seconds), "second") if seconds < 100 else f"{seconds / 60:,.1f} minutes"


def write_report(model: Path, title: str, blocks: Sequence[Block]) -> tuple[Path, Path]:
    """Write a report beside a model: `model.md` with its pictures, and `model.html` with all in it.

    Args:
        model: The model file, which the report is called after.
        title: The first heading.
        blocks: What follows.

    Returns:
        Where the Markdown and the HTML stand.
    """
    for block in blocks:
        if isinstance(block, Picture):
            write_whole(model.with_name(block.name), block.png)
    paths = model.with_suffix(".md"), model.with_suffix(".html")
    markdown = "\n\n".join([f"# {title}", *map(as_markdown, blocks)]) + "\n"
    write_whole(paths[0], markdown.encode())
    write_whole(paths[1], as_page(title, blocks).encode())
    return paths


def as_markdown(block: Block) -> str:
    """Return a block as Markdown."""
    match block:
        case Heading(text):
            return f"## {text}"
        case Paragraph(text):
            return text
        case Command(text):
            return f"```\n{text}\n```"
        case Picture(name, title):
            return f"![{title}]({name})"
        case Table(head, rows):
            rule = ["---", *["---:"] * (len(head) - 1)]
            lines = [[each.replace("|", "\\|") for each in row] for row in (head, rule, *rows)]
            return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def as_page(title: str, blocks: Sequence[Block]) -> str:
    """Return a whole page, which needs no other file."""
    body = "\n".join([f"<h1>{html.escape(title)}</h1>", *map(as_html, blocks)])
    return (
        '<!doctype html>\n<html lang="en"><meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width,initial-scale=1">\n'
        f"<title>{html.escape(title)}</title>\n<style>{STYLE}</style>\n{body}\n</html>\n"
    )


def as_html(block: Block) -> str:
    """Return a block as HTML."""
    match block:
        case Heading(text):
            return f"<h2>{html.escape(text)}</h2>"
        case Paragraph(text):
            return f"<p>{html.escape(text)}</p>"
        case Command(text):
            return f"<pre>{html.escape(text)}</pre>"
        case Picture(_, title, png):
            data = base64.b64encode(png).decode()
            return f'<img alt="{html.escape(title)}" src="data:image/png;base64,{data}">'
        case Table(head, rows):
            lines = [as_row("th", head), *(as_row("td", row) for row in rows)]
            inner = "\n".join(lines)
            # the keyboard reaches what is wider than a phone
            return f'<div class="wide" tabindex="0"><table>\n{inner}\n</table></div>'


def as_row(kind: str, cells: Sequence[str]) -> str:
    """Return a row of an HTML table."""
    inner = "".join(f"<{kind}>{html.escape(cell)}</{kind}>" for cell in cells)
    return f"<tr>{inner}</tr>"
