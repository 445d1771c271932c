"""One HTML file that shows what every gate of a model does, and runs the model by itself."""

from __future__ import annotations

import html
import json
import os
from importlib import resources
from pathlib import Path
from typing import Any

from gatewise.backends.javascript import LIBRARY
from gatewise.explorer.choice import subject_of
from gatewise.explorer.subject import Subject

POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data:; "
    "base-uri 'none'; form-action 'none'"
)
LARGEST = 256
"""MiB from which on a page is refused: browsers open nothing larger with ease."""


def export(model: Any, input: Any, path: str | os.PathLike[str]) -> Path:
    """Write a page about a model and an input: self-contained, for a browser without a network.

    Args:
        model: a trained model as `gatewise.load` returns it, or a recurrent layer of Gatewise or of
            torch.
        input: a text for a text model; numbers ``(T, I)`` for a layer.
        path: the file to write, whole or not at all.

    Returns:
        The path.

    Raises:
        TypeError: the model or the input cannot be shown.
        ValueError: the input does not suit the model, or the page would be too large.
        OSError: the file cannot be written.

    Example:
        >>> import tempfile, torch, gatewise as gw
        >>> from gatewise.explorer import export
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     made = export(gw.LSTM(3, 8), torch.randn(12, 3), folder + "/why.html")
        ...     made.stat().st_size < 300_000
        True
    """
    return write(subject_of(model, input), path)


def write(subject: Subject, path: str | os.PathLike[str]) -> Path:
    """Write the page of a subject, whole or not at all."""
    from gatewise.data.whole_file import write_whole

    path, content = Path(path), page(subject).encode()
    if len(content) > LARGEST << 20:
        raise ValueError(
            f"the page would have {len(content) >> 20} MiB, more than {LARGEST}: its weights are "
            "inside. Explore a smaller model, or one layer of it."
        )
    write_whole(path, content)
    return path


def page(subject: Subject) -> str:
    """The page as text."""
    static = resources.files("gatewise.explorer") / "static"
    style = (static / "explorer.css").read_text(encoding="utf-8")
    script = (static / "explorer.js").read_text(encoding="utf-8")
    data = in_script(json.dumps(subject.document(), ensure_ascii=False, allow_nan=False))
    return "\n".join(
        [
            '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">',
            '<meta name="viewport" content="width=device-width, initial-scale=1">',
            f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
            f"<title>{html.escape(subject.title)} – Gatewise</title>",
            f"<style>{style}</style>\n</head>\n<body>",
            '<main id="explorer"><noscript>This page runs a model: allow its scripts. They load '
            "nothing and send nothing.</noscript></main>",
            f'<script type="application/json" id="document">{data}</script>',
            f"<script>{cell_script(subject)}</script>",
            f"<script>{script}</script>\n</body>\n</html>\n",
        ]
    )


def cell_script(subject: Subject) -> str:
    """The steps of all cells, by their keys."""
    cells = ",\n".join(
        f"{json.dumps(key)}: {cell.source}" for key, cell in subject.chain.cells.items()
    )
    return in_script(f"window.gatewiseCells = (() => {{{LIBRARY}return {{{cells}}};\n}})();", False)


def in_script(text: str, is_json: bool = True) -> str:
    """A text that ends no script element, whatever it holds."""
    if is_json:
        return (
            text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        )
    if "</" in text or "<!--" in text:
        raise ValueError("a cell's code holds what would end its script")
    return text
