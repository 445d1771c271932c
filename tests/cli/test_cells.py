"""`gatewise cells`: the list, one cell, and a worked step whose numbers are the computed ones."""

from __future__ import annotations

import math
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
import torch
from typer.testing import CliRunner

import gatewise as gw
from gatewise.backends import Operands, Recurrence
from gatewise.backends.reference import ReferenceBackend
from gatewise.cli import build_app
from gatewise.cli.worked_step import draw, lines_of, number_text, vector_text
from gatewise.equations.plain import Plain

CELLS = gw.cells.names()
NUMBER = r"-?\d+\.\d+(?:e[+-]\d+)?"
OWN = '''"""A cell of one's own."""

from gatewise.equations import U, W, b, cell, tanh


@cell
def mine(x, h):
    """Mine: nobody (2024).

    With a note.
    """
    h = tanh(W.h @ x + U.h @ h + b.h)
    return dict(h=h)
'''


def run(*arguments: str):
    return CliRunner().invoke(build_app(), ["cells", *arguments])


def test_list_has_a_whole_line_for_every_cell():
    result = run()
    assert result.exit_code == 0
    head, *rows, count = result.stdout.splitlines()
    assert head.split() == ["Cell", "States", "Gates", "Weights", "Title", "and", "paper"]
    assert [row.split()[0] for row in rows] == CELLS
    assert f"{len(CELLS)} cells" in count
    for name, row in zip(CELLS, rows, strict=True):
        cell = gw.cells.get(name)
        assert f" {cell.parameter_count(128, 128):,} " in row
        assert " ".join(cell.gates) in row
        assert row.endswith(f"{cell.title}: {cell.paper}")  # nothing is cut in a pipe


def test_lstm_is_explained():
    result = run("lstm")
    assert result.exit_code == 0
    for text in (
        "Long short-term memory (lstm)",
        "Hochreiter & Schmidhuber (1997)",
        "fₜ = σ(W_f xₜ + U_f hₜ₋₁ + b_f)",
        "cₜ = fₜ ⊙ cₜ₋₁ + iₜ ⊙ gₜ",
        "states     h (H), c (H)",
        "W_i, W_f, W_g, W_o: H × I",
        "131,584 numbers",
        "Learning to forget",
    ):
        assert text in result.stdout


def test_sizes_constants_and_initial_values_are_told():
    cfn = run("cfn").stdout
    assert "b.f = 1, b.i = -1" in cfn
    assert "U_f, U_i: H × H" in cfn
    assert "heads = 1" in run("slstm").stdout
    assert "h (P), c (H)" in run("lstm_projection").stdout
    assert "I = H" in run("intersection").stdout
    assert "p.c = -0.1 to 0.1" in run("unicornn").stdout


@pytest.mark.parametrize("name", CELLS)
def test_every_cell_is_explained(name):
    result = run(name)
    cell = gw.cells.get(name)
    assert result.exit_code == 0
    assert cell.documentation.partition("\n\n")[2] in result.stdout
    assert cell.paper in result.stdout
    for parameter in cell.parameters.values():
        assert Plain().weight(parameter.namespace, parameter.key) in result.stdout


def test_latex():
    assert run("gru", "--latex").stdout == gw.cells.gru.latex() + "\n"


def test_diagram_is_written_whole(tmp_path: Path):
    path = tmp_path / "gru.svg"
    result = run("gru", "--diagram", str(path))
    assert result.exit_code == 0
    assert path.read_text(encoding="utf-8") == gw.cells.gru.diagram()
    ElementTree.parse(path)
    assert list(tmp_path.iterdir()) == [path]


def test_diagram_needs_a_folder_and_a_file(tmp_path: Path):
    missing = tmp_path / "none" / "gru.svg"
    result = run("gru", "--diagram", str(missing))
    assert result.exit_code == 1
    assert "there is no folder" in result.stderr
    assert not missing.parent.exists()
    result = run("gru", "--diagram", str(tmp_path))
    assert result.exit_code == 1
    assert "this is a folder" in result.stderr


@pytest.mark.parametrize(
    ("argument", "told"),
    [
        ("lsmt", "lstm"),
        ("nothing_like_it", "gatewise.cells.names()"),
        ("no_such_file.py:mine", "there is no file"),
        ("no_such_file.py", "there is no file"),
    ],
)
def test_an_unknown_cell_is_a_clear_error(argument, told):
    result = run(argument)
    assert result.exit_code == 2
    flat = re.sub(r"[\s│]+", " ", result.stderr)
    assert told in flat
    assert "--cell" not in flat


def test_the_only_cell_of_a_file_needs_no_name(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    text = OWN + "\n\nfrom gatewise.cells import lstm\n"  # imported, not defined
    Path("own.py").write_text(text, encoding="utf-8")
    assert run("own.py").stdout == run("own.py:mine").stdout != ""
    Path("two.py").write_text(text + "\nother = cell(mine.function)\n", encoding="utf-8")
    result = run("two.py")
    assert result.exit_code == 2
    told = re.sub(r"[\s│]+", " ", result.stderr)
    assert "the file defines mine, other; name one, as in two.py:mine" in told


@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        ("    h = tanh(W.h @ x + U.h @ hh)", "line 12: EquationError: cell 'mine': the name 'hh'"),
        ("    h = tanh(x[0])", "line 12: EquationError: cell 'mine': x[0]: a symbol has no parts"),
        ("    h = tanh(W.h @ x + W.h @ h)", "line 6: EquationError: cell 'mine': sizes do not"),
        ("    h = tanh(W.h @ x", "own.py: SyntaxError: '(' was never closed (own.py, line 12)"),
    ],
)
def test_a_wrong_cell_is_told_with_its_line(tmp_path: Path, monkeypatch, wrong, told):
    text = OWN.replace("    h = tanh(W.h @ x + U.h @ h + b.h)", wrong)
    (tmp_path / "own.py").write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    result = run("own.py:mine")
    assert result.exit_code == 2
    assert told in re.sub(r"[\s│]+", " ", result.stderr)


@pytest.mark.parametrize("option", ["--latex", "--numbers"])
def test_options_need_a_cell(option):
    result = run(option)
    assert result.exit_code == 2
    assert "name a cell" in result.stderr


def test_a_cell_of_ones_own(tmp_path: Path):
    path = tmp_path / "own.py"
    path.write_text(OWN, encoding="utf-8")
    result = run(f"{path}:mine")
    assert result.exit_code == 0
    assert "Mine (mine)\nnobody (2024)\n" in result.stdout
    assert "With a note." in result.stdout
    assert "3 × 7 products" in run(f"{path}:mine", "--numbers").stdout


def test_equal_seeds_work_equal_numbers():
    one, same, other = (run("rnn", "--numbers", "--seed", seed).stdout for seed in "112")
    assert one == same != other


def evaluate(text: str) -> float:
    """A line of the worked step, computed again by Python."""
    text = text.replace("·", "*").replace("σ", "sigmoid").replace("√", "sqrt")
    raised = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁻", "0123456789-")
    text = re.sub("[⁰¹²³⁴⁵⁶⁷⁸⁹⁻]+", lambda k: f"**({k[0].translate(raised)})", text)
    text = re.sub(r"\|([^|]*)\|", r"abs(\1)", text).replace("≤", "<=")
    functions = {
        "sigmoid": lambda a: 1 / (1 + math.exp(-a)),
        "softplus": lambda a: math.log1p(math.exp(a)),
        "ReLU": lambda a: max(a, 0.0),
        "where": lambda condition, a, c: a if condition else c,
        "stopgrad": float,
        **{name: getattr(math, name) for name in ("tanh", "exp", "log", "sin", "cos", "sqrt")},
        **{"max": max, "min": min, "abs": abs},
    }
    return float(eval(text, {"__builtins__": {}}, functions))


def parts_of(line: str) -> list[str]:
    return [part.strip() for part in line.split(" = ")]


def test_lstm_shows_all_its_products():
    lines = list(lines_of(draw(gw.cells.lstm, 0)))
    assert sum("3 × 7 products" in line for line in lines) == 4
    rows = [line for line in lines if re.match(r" +row \d", line)]
    assert len(rows) == 12
    assert all(row.count("·") == 7 for row in rows)
    assert [line.count(" = ") for line in lines if re.match(r" +hₜ\[", line)] == [2, 2, 2]


@pytest.mark.parametrize("name", CELLS)
def test_every_printed_sum_adds_up(name):
    lines = list(lines_of(draw(gw.cells.get(name), 1)))
    rows = checked = 0
    for k, line in enumerate(lines):
        row = re.match(r" +row \d+: (.*)", line)
        if row:
            total = float(parts_of(lines[k + 2])[-1].removeprefix("= "))
            # every factor has at most an error of half a unit in its last place
            count = row[1].count("·") + 1
            assert evaluate(row[1]) == pytest.approx(total, abs=1e-4 * count)
            terms = lines[k + 1].strip().removeprefix("= ")
            assert evaluate(terms) == pytest.approx(total, abs=5e-5 * (count + 1))
            rows += 1
        elif re.match(r"  (\S+\[\d+\]|sum\(.*\)|\w+ₜ) = .* = ", line):
            _, text, result = parts_of(line)
            # rounded operands, a few operations with derivatives of size one, or a division
            assert evaluate(text) == pytest.approx(float(result), abs=2e-3, rel=2e-3), line
            checked += 1
    assert rows > 0
    assert checked > 0


@pytest.mark.parametrize("name", CELLS)
def test_the_last_numbers_are_the_reference_backends(name):
    numbers = draw(gw.cells.get(name), 2)
    graph, notation = numbers.cell.graph, Plain()
    given = numbers.given

    def batch(value: torch.Tensor) -> torch.Tensor:
        return value.unsqueeze(0)

    operands = Operands(
        inputs={k: batch(batch(given[notation.value(k, "t")])) for k in graph.inputs},
        states={k: batch(given[notation.value(k, "t-1")]) for k in graph.states},
        parameters={k: numbers.values[p.leaf] for k, p in graph.parameters.items()},
    )
    result = ReferenceBackend().run(Recurrence(graph, numbers.sizes), operands, tuple(graph.values))
    lines = list(lines_of(numbers))
    after = lines[lines.index("After the step:") + 1 :]
    for state, line in zip(graph.states, after, strict=True):
        expected = result.states[state][0]
        assert line.strip() == (
            f"{notation.value(state, 't')} = {vector_text(expected)}   ({len(expected)})"
        )
    written = {node: name for name, node in reversed(graph.values.items()) if node.operands}
    for value, series in result.values.items():
        if value not in written.values():
            continue  # another name of the same value, or of what is given
        for unit, number in enumerate(series[0, 0]):
            start = f"  {notation.value(value, 't')}[{unit + 1}] = "
            (found,) = (line for line in lines if line.startswith(start))
            assert parts_of(found)[-1] == number_text(float(number))


def test_weights_inputs_and_states_have_two_decimals():
    numbers = draw(gw.cells.gru_d, 3)
    for leaf in numbers.cell.graph.parameters.values():
        value = numbers.values[leaf.leaf]
        torch.testing.assert_close(value.mul(100).round().div(100), value, rtol=0, atol=0)
    assert all(re.search(NUMBER, vector_text(value, 2)) for value in numbers.given.values())


def test_blocks_ask_for_a_size_that_they_divide():
    cell = gw.cells.slstm.with_constants(heads=2)
    numbers = draw(cell, 0)
    assert numbers.sizes["H"] == 4
    assert any("4 × 8 products" in line for line in lines_of(numbers))
