from gatewise.training.report import Command, Heading, Paragraph, Picture, Table, write_report

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
