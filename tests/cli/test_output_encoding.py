"""What a terminal's encoding lacks does not end a command."""

import io
import sys

import pytest

from gatewise.cli import accept_every_sign


@pytest.mark.parametrize(
    ("encoding", "written"),
    [("ascii", "σ · é".encode()), ("latin-1", b"\\u03c3 \xb7 \xe9"), ("utf-8", "σ · é".encode())],
)
def test_no_sign_ends_a_command(monkeypatch, encoding, written):
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding)
    monkeypatch.setattr(sys, "stdout", stream)
    accept_every_sign()
    print("σ · é", end="", flush=True)
    assert stream.buffer.getvalue() == written


def test_other_streams_stay_as_they_are(monkeypatch):
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stdout", stream)
    accept_every_sign()
    print("σ", end="")
    assert stream.getvalue() == "σ"
