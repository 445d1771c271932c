"""Folders by label: a folder of texts or tables for each label, or a file of lines for each."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from gatewise.data.labelled.examples import Block, Examples, Roles, blocks_of
from gatewise.data.labelled.folder_table import read_tables
from gatewise.data.source import DataError, DataFile, PlainText, ending, open_data_file
from gatewise.data.tables.table_file import ENDINGS as TABLES

TEXTS = (".txt", ".text", ".md", "")


def read_folder(path: Path, roles: Roles, part: str = "train") -> Examples:
    """Open a folder of texts or, where it has more of them, of tables.

    `label/any.txt` is one text, and a line of `label.txt` is one too; `label/any.csv` is one
    sequence, and so is `any.csv`, which has no such label.

    Args:
        path: The folder; names that begin with a dot are left out.
        roles: `encoding`; of tables what `read_tables` takes.
        part: As `read_table_examples` has it.

    Raises:
        DataError: There are neither texts nor tables in it, or texts of both kinds.
    """
    tables = files_in(path, TABLES)
    if len(tables) > len(files_in(path, TEXTS)):
        return read_tables(path, tables, roles, part)
    folders = sorted(each for each in path.iterdir() if each.is_dir() and each.name[0] != ".")
    files = sorted(each for each in path.iterdir() if each.is_file() and has_ending(each, TEXTS))
    inside = [(each.name, file) for each in folders for file in files_in(each, TEXTS)]
    if inside and files:
        raise DataError(
            f"{path}: has texts beside folders of texts; a label is either a folder or a file"
        )
    if not inside and not files:
        raise DataError(
            f"{path}: has no folders with texts (.txt) or tables ({', '.join(TABLES)}) in them, "
            "and none itself"
        )
    labelled = inside or [(file.name.split(".")[0], file) for file in files]
    each_line = not inside
    opened = [
        (label, text_of(file, roles.encoding)) for label, file in labelled if file.stat().st_size
    ]
    if not opened:
        raise DataError(f"{path}: all its texts are empty")

    def texts() -> Iterator[tuple[str, str, str]]:
        for label, file in opened:
            name = file.path.relative_to(path).as_posix()
            lines = PlainText(file.path, file.encoding).lines()
            for line, text in enumerate(lines if each_line else ["\n".join(lines)], 1):
                if text.strip():
                    yield text.strip(), label, f"{name}:{line}" if each_line else name

    def examples() -> Iterator[tuple[str, str, int, str]]:
        for number, (text, label, place) in enumerate(texts(), 1):
            yield text, label, number, place

    kinds = len({label for label, _ in labelled})
    said = [f"{kinds} labels; each {'line of their files' if each_line else 'file'} is an example"]
    guessed = [file for _, file in opened if file.guessed]
    if guessed:
        said.append(
            f"{len(guessed)} files, such as {guessed[0].path.name}, are read as "
            f"{guessed[0].encoding}, a guess; --encoding names another"
        )
    sources = tuple(file for _, file in opened)

    def read() -> Iterator[Block]:
        return blocks_of(examples())

    return Examples(str(path), "text", read, True, (), sources, tuple(said), "file", roles)


def has_ending(path: Path, endings: Sequence[str]) -> bool:
    """Say whether a file in a folder counts, and is of a kind."""
    return path.name[0] != "." and ending(path) in endings


def files_in(folder: Path, endings: Sequence[str]) -> list[Path]:
    """Return the files of a kind in a folder and in the folders in it, in order."""
    return sorted(
        file for file in folder.rglob("*") if file.is_file() and has_ending(file, endings)
    )


def text_of(path: Path, encoding: str | None) -> DataFile:
    """Return a text's file with its encoding."""
    return PlainText(open_data_file(path).path, encoding).file
