"""The command `gatewise`.

A command is one file beside this one with a function `register(app)`, and one word here.
"""

import codecs
import importlib
import io
import os
import sys

COMMANDS = (
    "demo",
    "cells",
    "train",
    "generate",
    "explore",
    "predict",
    "forecast",
    "translate",
    "sample",
    "compose",
    "compare",
    "doctor",
)


def build_app():
    """Return the command line, all commands registered; torch is imported when one runs."""
    import typer

    app = typer.Typer(
        help="Recurrent networks from their equations: train them, look inside, generate.",
        no_args_is_help=True,
        rich_markup_mode="markdown",  # paragraphs flow; the default keeps the source's line breaks
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for name in COMMANDS:
        importlib.import_module(f"gatewise.cli.{name}").register(app)
    return app


def main() -> None:
    """Run the command line."""
    # Threads that spin while they wait slow training tenfold as soon as another process wants a
    # core. This must be said before torch is imported.
    os.environ.setdefault("OMP_WAIT_POLICY", "passive")
    # and this, or several processes that train together complain of what is as it should be
    os.environ.setdefault("TORCH_CPP_LOG_LEVEL", "ERROR")
    accept_every_sign()
    try:
        app = build_app()
    except ImportError as error:
        sys.exit(f"gatewise: {error.name} is not installed; run: pip install 'gatewise[train]'")
    app()


def accept_every_sign() -> None:
    """Let no sign end a command: what the output's encoding lacks is escaped by its number.

    Where the encoding is ASCII it becomes UTF-8, which is what typer's own `echo` takes it for.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            plain = codecs.lookup(stream.encoding).name == "ascii"
            encoding = "utf-8" if plain else stream.encoding
            stream.reconfigure(encoding=encoding, errors="backslashreplace")
