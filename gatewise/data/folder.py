"""Folders of texts by label: a folder for each label, or a file for each label."""

from collections.abc import Iterator
from pathlib import Path

from gatewise.data.examples import Block, Examples, Roles, blocks_of
from gatewise.data.source import DataError, DataFile, PlainText, ending, open_data_file

TEXTS = (".txt", ".text", ".md", "")


def read_folder(path: Path, roles: Roles) -> Examples:
    """Open a folder: `label/any.txt` is one text, and a line of `label.txt` is one too.

    Args:
        path: The folder; names that begin with a dot are left out.
        roles: `encoding`.

    Raises:
        DataError: There are no texts in it, or both kinds.
    """
    folders = sorted(each for each in path.iterdir() if each.is_dir() and each.name[0] != ".")
    files = sorted(each for each in path.iterdir() if each.is_file() and is_text(each))
    inside = [(each.name, file) for each in folders for file in texts_in(each)]
    if inside and files:
        raise DataError(
            f"{path}: has texts beside folders of texts; a label is either a folder or a file"
        )
    if not inside and not files:
        raise DataError(f"{path}: has no folders with texts (.txt) in them, and no texts itself")
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


def is_text(path: Path) -> bool:
    """Say whether a file in a folder is one of its texts."""
    return path.name[0] != "." and ending(path) in TEXTS


def texts_in(folder: Path) -> list[Path]:
    """Return the texts of a folder and of the folders in it, in order."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and is_text(file))


def text_of(path: Path, encoding: str | None) -> DataFile:
    """Return a text's file with its encoding."""
    return PlainText(open_data_file(path).path, encoding).file
