"""The option `--cell`: a cell of the catalogue, or one in a file of the user's own."""

import importlib.util
import inspect
import sys
import traceback
from pathlib import Path

from gatewise import cells
from gatewise.equations import Cell


def find_cell(text: str) -> str | Cell:
    """Return the cell that `--cell` names.

    Args:
        text: A name of the catalogue, or `path/to/file.py:name`. That file is run; the name may be
            left out where it defines one cell.

    Returns:
        The name, if the catalogue has it; else the cell.

    Raises:
        ValueError: There is no such cell.
    """
    path, _, name = text.rpartition(":")
    if path.endswith(".py"):
        return cell_in_file(Path(path), name)
    if text.endswith(".py"):
        return cell_in_file(Path(text))
    try:
        cells.get(text)
    except KeyError as error:
        raise ValueError(f"--cell {text}: {error.args[0]}") from error
    return text


def cell_in_file(path: Path, name: str | None = None) -> Cell:
    """Run a Python file and return a cell of it, by name or the only one that it defines."""
    asked = f"{path}:{name}" if name is not None else str(path)
    if not path.is_file():
        raise ValueError(f"--cell {asked}: there is no file {path}")
    specification = importlib.util.spec_from_file_location(f"gatewise_cell_{path.stem}", path)
    assert specification is not None
    assert specification.loader is not None
    module = importlib.util.module_from_spec(specification)
    sys.modules[specification.name] = module
    try:
        specification.loader.exec_module(module)
    except Exception as error:
        place = f"{path}{_line_in(path, error)}"
        raise ValueError(f"--cell {place}: {type(error).__name__}: {error}") from error
    known = {key: value for key, value in vars(module).items() if isinstance(value, Cell)}
    if name is None:
        own = {
            k: v
            for k, v in known.items()
            if getattr(v.function, "__module__", "") == module.__name__
        }
        return _only_cell(path, own)
    if inspect.isfunction(getattr(module, name, None)):
        raise ValueError(f"--cell {asked}: {name} is no cell; write @cell above it")
    if name not in known:
        raise ValueError(f"--cell {asked}: no such cell; the file has {', '.join(known) or 'none'}")
    return known[name]


def _only_cell(path: Path, own: dict[str, Cell]) -> Cell:
    if not own:
        raise ValueError(f"--cell {path}: the file defines no cell; write @cell above a function")
    if len(own) > 1:
        raise ValueError(
            f"--cell {path}: the file defines {', '.join(own)}; name one, as in "
            f"{path}:{next(iter(own))}"
        )
    return next(iter(own.values()))


def _line_in(path: Path, error: BaseException | None) -> str:
    """Where in the file an error arose: the last of its lines that ran, or nothing if none did.

    An error of equations comes of another one, whose line is that within the cell.
    """
    lines: list[int | None] = []
    while error is not None:
        frames = traceback.extract_tb(error.__traceback__)
        lines += [f.lineno for f in frames if Path(f.filename).resolve() == path.resolve()]
        error = error.__cause__
    return f", line {lines[-1]}" if lines else ""
