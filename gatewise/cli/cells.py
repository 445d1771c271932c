"""`gatewise cells`: the catalogue, and one cell's equations, diagram and worked step."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gatewise.cli.failure import failures_explained

if TYPE_CHECKING:
    from rich.table import Table

    from gatewise.equations import Cell, Parameter

SIZE = 128  # I and H for which weights are counted


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(cells)


def cells(
    name: Annotated[
        str | None,
        typer.Argument(
            help="A cell of the catalogue, or one of your own: path/to/file.py:name.",
            show_default=False,
        ),
    ] = None,
    latex: Annotated[bool, typer.Option("--latex", help="Print the equations as LaTeX.")] = False,
    diagram: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", help="Write a picture of the cell.", show_default=False),
    ] = None,
    numbers: Annotated[
        bool, typer.Option("--numbers", help="Work one step with real numbers.")
    ] = False,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds draw equal --numbers.")] = 0,
) -> None:
    """List all cells, or show one: its equations, sizes, weights and where it comes from."""
    with failures_explained():
        if name is None:
            if latex or numbers or diagram:
                raise typer.BadParameter("name a cell; `gatewise cells` lists them.")
            _list()
            return
        cell = _found(name)
        if diagram is not None:
            _write(cell, diagram)
        if latex:
            typer.echo(cell.latex())
        if numbers:
            from gatewise.cli.worked_step import draw, lines_of

            for line in lines_of(draw(cell, seed)):
                typer.echo(line)
        if not (latex or numbers or diagram):
            for line in description(cell):
                typer.echo(line)


def _found(name: str) -> Cell:
    from gatewise import cells as catalogue
    from gatewise.cli.cell_option import find_cell

    try:
        return catalogue.get(find_cell(name))
    except ValueError as error:
        raise typer.BadParameter(str(error).removeprefix("--cell ")) from None


def _write(cell: Cell, path: Path) -> None:
    from gatewise.data.whole_file import write_whole

    if not path.parent.is_dir():
        raise ValueError(f"--diagram {path}: there is no folder {path.parent}; make it first.")
    if path.is_dir():
        raise ValueError(
            f"--diagram {path}: this is a folder; name a file such as {cell.name}.svg."
        )
    write_whole(path, cell.diagram().encode())
    typer.echo(f"The diagram of {cell.name} is in {path}.", err=True)


def _list() -> None:
    from rich.console import Console

    from gatewise import cells as catalogue

    console = Console(highlight=False, markup=False, emoji=False)
    shown = [catalogue.get(name) for name in catalogue.names()]
    if console.is_terminal:
        console.print(_table(shown))
    else:
        for line in _lines(shown):
            typer.echo(line)
    typer.echo(f"{len(shown)} cells; weights for I = H = {SIZE}. `gatewise cells NAME` shows one.")


HEADINGS = ("Cell", "States", "Gates", "Weights", "Title and paper")


def _row(cell: Cell) -> tuple[str, ...]:
    weights = f"{cell.parameter_count(SIZE, SIZE):,}"
    title = f"{cell.title}: {cell.paper}" if cell.paper else cell.title
    return cell.name, " ".join(cell.states), " ".join(cell.gates), weights, title


def _lines(shown: list[Cell]) -> Iterator[str]:
    """One line for each cell, in columns, nothing cut: for pipes."""
    rows = [HEADINGS, *map(_row, shown)]
    width = [max(len(row[k]) for row in rows) for k in range(len(HEADINGS))]
    for name, states, gates, weights, title in rows:
        left = f"{name:<{width[0]}}  {states:<{width[1]}}  {gates:<{width[2]}}"
        yield f"{left}  {weights:>{width[3]}}  {title}"


def _table(shown: list[Cell]) -> Table:
    """A table that wraps at the terminal's edge, the paper below the name."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    table.add_column("Cell")
    table.add_column("States", max_width=9)
    table.add_column("Gates", max_width=15)
    table.add_column("Weights", justify="right", no_wrap=True)
    for name, states, gates, weights, title in map(_row, shown):
        table.add_row(Text.assemble((name, "bold"), "\n", (title, "dim")), states, gates, weights)
    return table


def description(cell: Cell) -> Iterator[str]:
    """All that is known of a cell, as lines of text."""
    from gatewise.equations.plain import to_plain

    yield typer.style(f"{cell.title} ({cell.name})", bold=True)
    if cell.paper:
        yield cell.paper
    yield ""
    lines = to_plain(cell.graph)
    width = max(map(text_width, (left for left, _ in lines)))
    for left, right in lines:
        yield f"  {' ' * (width - text_width(left))}{left} = {right}"
    yield ""
    yield from _facts(cell)
    _, _, notes = cell.documentation.partition("\n\n")
    if notes:
        yield ""
        yield notes


def _facts(cell: Cell) -> Iterator[str]:
    graph = cell.graph
    yield _fact("inputs", (f"{name} ({size})" for name, size in graph.inputs.items()))
    yield _fact("states", (f"{name} ({size})" for name, size in graph.states.items()))
    yield _fact("output", (name for name, value in graph.values.items() if value is graph.output))
    yield _fact("gates", cell.gates)
    heading = "weights"
    for (_, shape), names in _by_shape(cell.parameters.values()).items():
        yield _fact(heading, [f"{', '.join(names)}: {shape}"])
        heading = ""
    count = cell.parameter_count(SIZE, SIZE)
    yield _fact("", [f"{count:,} numbers for I = H = {SIZE}"])
    if graph.sizes.equal:
        yield _fact("sizes", (f"{a} = {c}" for a, c in graph.sizes.equal))
    yield from _changeable(cell)


def _changeable(cell: Cell) -> Iterator[str]:
    """Constants, and initial values other than the usual."""
    defaults = getattr(cell.function, "__kwdefaults__", None) or cell.constants
    if defaults:
        shown = (
            f"{k} = {v:.6g}" if isinstance(v, float) else f"{k} = {v}" for k, v in defaults.items()
        )
        yield _fact("constants", shown)
    if cell.initial:
        known = {*cell.parameters, *(p.namespace for p in cell.parameters.values()), *cell.states}
        rules = [f"{key} = {_rule(rule)}" for key, rule in cell.initial.items() if key in known]
        yield _fact("initially", [*rules, "all else as usual: weights in ±1/√H, states 0"])


def _rule(rule: float | tuple[float, float] | str) -> str:
    if isinstance(rule, tuple):
        return f"{rule[0]:g} to {rule[1]:g}"
    return rule if isinstance(rule, str) else f"{rule:g}"


def _by_shape(parameters: Iterable[Parameter]) -> dict[tuple[str, str], list[str]]:
    """The names of weights of the same letter and shape, together."""
    from gatewise.equations.plain import Plain

    found: dict[tuple[str, str], list[str]] = {}
    for parameter in parameters:
        name = Plain().weight(parameter.namespace, parameter.key)
        found.setdefault((parameter.namespace, _shape(parameter)), []).append(name)
    return found


def _shape(parameter: Parameter) -> str:
    shape = " × ".join(map(str, parameter.shape)) or "one number"
    return f"{shape} in {parameter.blocks} diagonal blocks" if parameter.blocks > 1 else shape


def _fact(heading: str, parts: Iterable[str]) -> str:
    return f"  {heading:<10} {', '.join(parts) or 'none'}"


def text_width(text: str) -> int:
    """Columns that a text takes in a terminal: accents stand above the letter before them."""
    import unicodedata

    return sum(1 for letter in text if not unicodedata.combining(letter))
