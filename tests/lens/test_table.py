from gatewise.lens.table import format_steps, format_table


def test_columns_line_up_numbers_to_the_right():
    text = format_table(["unit", "kind", "share"], [[3, "forget", 0.5], [12, "in", 1 / 3]])
    assert text.splitlines() == [
        "unit  kind     share",
        "   3  forget     0.5",
        "  12  in      0.3333",
    ]


def test_a_table_without_rows_is_its_header():
    assert format_table(["unit", "share"], []) == "unit  share"


def test_steps_have_labels_where_there_are_any():
    columns = {"share": [0.25, 0.75]}
    assert format_steps([1], columns, None).splitlines() == ["step  share", "   1   0.75"]
    assert format_steps([1], columns, ["a", "b"]).splitlines()[1].split() == ["1", "b", "0.75"]
