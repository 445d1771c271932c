from gatewise.cli.training_display import ended
from gatewise.training.checkpoint import Progress
from gatewise.training.report import (
    Command,
    Heading,
    Paragraph,
    Picture,
    Table,
    duration,
    settings_table,
    write_report,
)

BLOCKS = [
    Paragraph("Words & <b>more</b>."),
    Heading("Numbers"),
    Table(("", "a|b"), [("x", "1"), ("y", "2")]),
    Picture("plot.png", "A picture", b"\x89PNG"),
    Command("gatewise forecast model.safetensors"),
]


def test_both_kinds_tell_the_same(tmp_path):
    markdown, page = write_report(tmp_path / "model.safetensors", "Title", BLOCKS)
    assert (tmp_path / "plot.png").read_bytes() == b"\x89PNG"
    text = markdown.read_text()
    assert text.startswith("# Title\n\nWords & <b>more</b>.\n\n## Numbers\n")
    assert "|  | a\\|b |\n| --- | ---: |\n| x | 1 |" in text
    assert "![A picture](plot.png)" in text
    html = page.read_text()
    assert "Words &amp; &lt;b&gt;more&lt;/b&gt;." in html
    assert "<tr><td>x</td><td>1</td></tr>" in html
    assert 'src="data:image/png;base64,iVBORw=="' in html
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "model.html",
        "model.md",
        "plot.png",
    ]


def test_a_page_suits_phones_and_the_dark(tmp_path):
    wide = Table([f"column number {k}" for k in range(20)], [["a" * 10] * 20])
    text = "no_place_to_break_it_at" * 20
    blocks = [*BLOCKS[:3], wide, Command(text), Paragraph(text)]
    _, page = write_report(tmp_path / "model.safetensors", "Title", blocks)
    html = page.read_text()
    assert '<meta name="viewport" content="width=device-width,initial-scale=1">' in html
    assert html.count('<div class="wide" tabindex="0"><table>') == 2
    assert "prefers-color-scheme:dark" in html


def test_settings_are_told_as_the_command_line_names_them():
    table = settings_table({"cell": "lstm", "batch_size": 4, "epochs": None, "one_way": False})
    assert table.rows == [["cell", "lstm"], ["batch-size", "4"], ["one-way", "no"]]


def test_durations():
    assert [duration(each) for each in (0.4, 48.2, 204)] == [
        "0 seconds",
        "48 seconds",
        "3.4 minutes",
    ]


def test_one_is_singular():
    assert duration(0.9) == "1 second"
    assert ended(Progress(step=1, seconds=2.0), 3) == "Done in 0:02, 1 step."
    assert ended(Progress(step=2, seconds=2.0), 3) == "Done in 0:02, 2 steps."
