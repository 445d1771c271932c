"""`gatewise doctor` says what the machine offers and tries a kernel."""

import platform
import sys

import pytest
from typer.testing import CliRunner

from gatewise.backends.llvm.target import host
from gatewise.cli import build_app, doctor

pytestmark = pytest.mark.kernels


def test_doctor_finds_a_healthy_machine():
    result = CliRunner().invoke(build_app(), ["doctor"])
    assert result.exit_code == 0, result.output
    for word in ("gatewise", "torch", "compiler", "processor", "pool", "cache", "trial"):
        assert f"\n{word}" in f"\n{result.output}"
    assert "from the reference" in result.output


@pytest.mark.parametrize(("machine", "experimental"), [("x86_64", False), ("aarch64", True)])
def test_doctor_says_what_is_experimental(machine, experimental, monkeypatch):
    if not sys.platform.startswith("linux"):
        machine, experimental = "x86_64", True
    monkeypatch.setattr(doctor, "_try", lambda: (0.0, "peephole LSTM"))
    host()  # asks what machine this is, once
    monkeypatch.setattr(platform, "machine", lambda: machine)
    result = CliRunner().invoke(build_app(), ["doctor"])
    assert ("support      experimental" in result.output) == experimental


def test_doctor_reports_a_wrong_kernel(monkeypatch):
    monkeypatch.setattr(doctor, "_try", lambda: (0.5, "peephole LSTM"))
    result = CliRunner().invoke(build_app(), ["doctor"])
    assert result.exit_code == 1
    assert "differ by 5.0e-01" in result.output
