"""Files that are written whole or not at all."""

import os
from pathlib import Path


def write_whole(path: Path, content: bytes) -> None:
    """Write a file so that at any moment either the old or the new one is there, whole.

    Args:
        path: The file to make or to replace.
        content: All its bytes.

    Raises:
        OSError: It cannot be written; what was there before is still there.
    """
    if path.is_dir() or not path.parent.is_dir():
        raise FileNotFoundError(f"{path}: not a file in a folder that exists")
    part = part_of(path)
    try:
        with part.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    settle_folder(path.parent)


def part_of(path: Path) -> Path:
    """Return the name of the unfinished file; the same each time, so that a kill leaves one."""
    return path.with_name(f".{path.name}.part")


def settle_folder(folder: Path) -> None:
    """Make new names in a folder survive a loss of power, where the system can."""
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
