"""The command `gatewise`.

A command is one file beside this one with a function `register(app)`, and one word here.
"""

import importlib
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
    try:
        app = build_app()
    except ImportError as error:
        sys.exit(f"gatewise: {error.name} is not installed; run: pip install 'gatewise[train]'")
    app()
