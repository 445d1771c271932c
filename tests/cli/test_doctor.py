"""`gatewise doctor` says what the machine offers and tries a kernel."""

import pytest
from typer.testing import CliRunner

from gatewise.cli import build_app, doctor

pytestmark = pytest.mark.kernels


def test_doctor_finds_a_healthy_machine():
    result = CliRunner().invoke(build_app(), ["doctor"])
    assert result.exit_code == 0, result.output
    for word in ("gatewise", "torch", "compiler", "processor", "pool", "cache", "trial"):
        assert f"\n{word}" in f"\n{result.output}"
    assert "from the reference" in result.output


def test_doctor_reports_a_wrong_kernel(monkeypatch):
    monkeypatch.setattr(doctor, "_try", lambda: (0.5, "peephole LSTM"))
    result = CliRunner().invoke(build_app(), ["doctor"])
    assert result.exit_code == 1
    assert "differ by 5.0e-01" in result.output
