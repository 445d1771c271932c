"""What a command says when it cannot do its work."""

import contextlib
import errno
import os
import sys
from collections.abc import Iterator

import typer


@contextlib.contextmanager
def failures_explained() -> Iterator[None]:
    """Turn errors that the user can mend into one line and exit status 1.

    With `GATEWISE_TRACEBACK=1` in the environment they come whole.
    """
    try:
        yield
    except BrokenPipeError:
        # The reader, such as `head`, has enough. Nothing more may be written, at exit either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(0) from None
    except ImportError as error:
        package = (error.name or "").split(".")[0]
        if package == "gatewise" or os.environ.get("GATEWISE_TRACEBACK"):
            raise
        fail(f"{package} is not installed; run: pip install 'gatewise[train]'")
    except (ValueError, OSError) as error:
        if os.environ.get("GATEWISE_TRACEBACK"):
            raise
        fail(explain(error))


def explain(error: ValueError | OSError) -> str:
    """Say an error in words; of the system's errors their number is left out."""
    if not isinstance(error, OSError) or error.errno is None or error.strerror is None:
        return str(error)
    where = f"{error.filename}: " if error.filename is not None else ""
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return (
            f"{where}the disk is full; make room, or write elsewhere. A training goes on when the "
            "same command is given again"
        )
    return f"{where}{error.strerror[:1].lower()}{error.strerror[1:]}"


def fail(message: str) -> None:
    """Write an error and exit with status 1."""
    if os.environ.get("LOCAL_RANK", "0") != "0":
        raise typer.Exit(1)  # the first process of the machine says the same
    typer.secho("Error: ", fg=typer.colors.RED, bold=True, err=True, nl=False)
    typer.echo(message, err=True)
    raise typer.Exit(1)
