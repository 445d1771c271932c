"""The pages that are made from the code: the catalogue of cells and the command line.

``python -m docs.build`` writes them; with ``--check`` it only says which are out of date.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gatewise as gw
from gatewise.cli import build_app
from gatewise.equations import Cell

DOCS = Path(__file__).parent
NOTE = "<!-- Made by `make docs` from the code; change the code, not this page. -->"
CELLS_TEXT = """\
# The catalogue of cells

{count} cells, one file each. Every one of them is checked against an independent formulation of its
paper and against finite differences, and every one runs in `gw.Recurrent("name", I, H)`,
`gw.Step("name", I, H)` and `gatewise train text … --cell name`.
`gatewise cells name --numbers` works one step with real numbers.

Weights are counted for an input and a hidden size of 128. Gates are the named activations. [How to
write a cell](language.md) explains the letters.
"""
CELLS_HEAD = ("| Cell | | States | Gates | Weights |", "|---|---|---|---|---:|")
COMMANDS_TEXT = """\
# The command line

Every command explains itself with `--help`; this page is the same text.
"""


def cells_page() -> str:
    """The catalogue: a table of all cells, then the equations of each."""
    catalogue = [gw.cells.get(name) for name in gw.cells.names()]
    table = _lines([*CELLS_HEAD, *map(_row, catalogue)])
    sections = "\n".join(map(_section, catalogue))
    return f"{NOTE}\n\n{CELLS_TEXT.format(count=len(catalogue))}\n{table}\n{sections}"


def _row(cell: Cell) -> str:
    weights = f"{cell.parameter_count(128, 128):,}"
    name = f"[`{cell.name}`](#{cell.name})"
    return f"| {name} | {cell.title} | {_codes(cell.states)} | {_codes(cell.gates)} | {weights} |"


def _section(cell: Cell) -> str:
    source = f"[`cells/{cell.name}.py`](../gatewise/cells/{cell.name}.py)"
    parts = [f"## {cell.name}", f"{cell.title}: {_linked(cell.paper)}. {source}"]
    if (DOCS / "diagrams" / f"{cell.name}.svg").is_file():
        parts.append(f"![Diagram of the cell {cell.name}](diagrams/{cell.name}.svg)")
    parts.append(f"```math\n{cell.latex()}\n```")
    further = [name for name in cell.graph.inputs if name != "x"]
    if further:
        parts.append(f"Reads besides `x`: {_codes(further)}.")
    constants = getattr(cell.function, "__kwdefaults__", None) or {}
    if constants:
        parts.append(f"Constants: {_codes(map(_constant, constants.items()))}.")
    _, _, notes = cell.documentation.partition("\n\n")
    if notes:
        parts.append(_linked(_escaped(notes)))
    return "\n\n".join(parts) + "\n"


def _linked(text: str) -> str:
    return re.sub(r"arXiv:(\d+\.\d+)", r"[arXiv:\1](https://arxiv.org/abs/\1)", text)


def _codes(names: Any) -> str:
    return ", ".join(f"`{name}`" for name in names)


def _constant(item: tuple[str, Any]) -> str:
    name, value = item
    return f"{name}={value:.5g}" if isinstance(value, float) else f"{name}={value}"


def commands_page() -> str:
    """Every command with its arguments and options."""
    sections = "\n".join(_command(command, name) for name, command in commands())
    return f"{NOTE}\n\n{COMMANDS_TEXT}\n{sections}"


def commands() -> list[tuple[str, Any]]:
    """Every command that does something, with its full name, as typer's own objects."""
    from typer.main import get_command

    return list(_below("gatewise", get_command(build_app())))


def _below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    groups = getattr(command, "commands", {})
    for key, each in groups.items():
        yield from _below(f"{name} {key}", each)
    if not groups:
        yield name, command


def _command(command: Any, name: str) -> str:
    shown = [each for each in command.params if each.name != "help" and not each.hidden]
    arguments = [each for each in shown if each.param_type_name == "argument"]
    options = [each for each in shown if each.param_type_name == "option"]
    usage = " ".join((name, *map(_argument_name, arguments), *(["[OPTIONS]"] if options else [])))
    parts = [f"## {name}", f"```console\n$ {usage}\n```", _escaped(command.help.strip())]
    rows = [_parameter(_argument_name(each), each) for each in arguments]
    rows += [
        _parameter(", ".join([*sorted(each.opts, key=len), *each.secondary_opts]), each)
        for each in options
    ]
    if rows:
        parts.append(_lines(["| | | Default |", "|---|---|---|", *rows]).rstrip())
    return "\n\n".join(parts) + "\n"


def _parameter(name: str, parameter: Any) -> str:
    """One row."""
    return f"| `{name}` | {_escaped(parameter.help or '')} | {_default(parameter)} |"


def _escaped(text: str) -> str:
    """Text as Markdown that shows it: `<unk>` is no tag, a bar ends no cell."""
    return text.replace("<", "&lt;").replace("|", "\\|")


def _argument_name(argument: Any) -> str:
    name = argument.name.upper() + ("…" if argument.nargs == -1 else "")
    return name if argument.required else f"[{name}]"


def _default(parameter: Any) -> str:
    if isinstance(told := getattr(parameter, "show_default", None), str):
        return _escaped(told)
    unsaid = parameter.default is None or parameter.default is False or parameter.default == ""
    return "" if unsaid or parameter.required else f"`{parameter.default}`"


def _lines(lines: list[str]) -> str:
    return "\n".join(lines) + "\n"


PAGES: dict[str, Callable[[], str]] = {"cells.md": cells_page, "commands.md": commands_page}


def outdated() -> dict[str, str]:
    """The pages that are not what the code makes now, with what it makes."""
    made = {name: make() for name, make in PAGES.items()}
    return {name: text for name, text in made.items() if _written(DOCS / name) != text}


def _written(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def main(arguments: list[str]) -> int:
    """Write the pages, or check them; the process's exit status."""
    if arguments not in ([], ["--check"]):
        print(f"usage: python -m docs.build [--check]; not {' '.join(arguments)}", file=sys.stderr)
        return 2
    stale = outdated()
    if arguments and stale:
        print(f"not current: {', '.join(stale)}; run `make docs`", file=sys.stderr)
        return 1
    for name, text in stale.items():
        (DOCS / name).write_text(text, encoding="utf-8")
        print(f"wrote docs/{name}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
