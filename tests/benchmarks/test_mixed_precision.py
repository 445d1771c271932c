"""The benchmark of autocast prints a row for each layer, pass and size."""

from benchmarks.mixed_precision import KINDS, main


def test_rows(capsys):
    main(["--sizes", "2,3,4,5", "--seconds", "0.01", "--threads", "1"])
    rows = [line for line in capsys.readouterr().out.splitlines() if "| 2, 3, 4, 5 |" in line]
    assert len(rows) == 2 * len(KINDS)
    assert all(float(cell) > 0 for line in rows for cell in line.split("|")[4:7])
