"""What a command says when the system refuses something."""

import errno

import pytest

from gatewise.cli.failure import explain


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("no such cell"), "no such cell"),
        (FileNotFoundError("a.csv: no such file"), "a.csv: no such file"),
        (PermissionError(errno.EACCES, "Permission denied", "m.run"), "m.run: permission denied"),
        (OSError(errno.ENOSPC, "No space left on device"), "the disk is full; make room"),
        (OSError(errno.ENOSPC, "No space left on device", "m.md"), "m.md: the disk is full; make"),
    ],
)
def test_errors_are_told_in_words(error, told):
    assert explain(error).startswith(told)
    assert "Errno" not in explain(error)
