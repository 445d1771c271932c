"""The catalogue of cells: one file each, found by its file name.

>>> import gatewise as gw
>>> gw.cells.get("lstm").gates
('i', 'f', 'g', 'o')
>>> gw.cells.lstm is gw.cells.get("lstm")
True
"""

from __future__ import annotations

import difflib
import importlib
import pkgutil
import sys
from types import ModuleType

from gatewise.equations import Cell


def names() -> list[str]:
    """The names of all cells, sorted."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def get(name: str | Cell) -> Cell:
    """The cell of that name; a `Cell` is returned as it is.

    Raises:
        KeyError: no cell has that name; the message proposes the nearest.
        TypeError: it is neither, such as a function without ``@cell``.
    """
    if isinstance(name, Cell):
        return name
    if not isinstance(name, str):
        raise TypeError(
            f"{name!r} is neither a cell nor a name of one; write @cell, of gatewise.equations, "
            "above the function that is to be one."
        )
    if name not in names():
        near = difflib.get_close_matches(name, names(), n=3)
        hint = f"did you mean {', '.join(near)}?" if near else "gatewise.cells.names() lists them."
        raise KeyError(f"no cell is called {name!r}; {hint}")
    module = importlib.import_module(f"{__name__}.{name}")
    found = getattr(module, name)
    if not isinstance(found, Cell):
        raise TypeError(f"{module.__name__}.{name} is not a cell; decorate it with @cell.")
    return found


class _Catalogue(ModuleType):
    """Makes ``gatewise.cells.lstm`` the cell, although the file it stands in has the same name."""

    def __getattr__(self, name: str) -> Cell:
        if name.startswith("_") or name not in names():
            raise AttributeError(f"gatewise.cells has no cell {name!r}")
        return get(name)

    def __setattr__(self, name: str, value: object) -> None:
        if isinstance(value, ModuleType) and isinstance(getattr(value, name, None), Cell):
            value = getattr(value, name)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *names()})


sys.modules[__name__].__class__ = _Catalogue
