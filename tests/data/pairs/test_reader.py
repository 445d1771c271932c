"""Reading pairs of texts: every form gives the same pairs, and every fault is named."""

import gzip
import json

import polars as pl
import pytest

from gatewise.data.pairs.reader import PairRoles, read_pairs
from gatewise.data.source import DataError

ROWS = [("drei Hunde", "three dogs"), ("eine Katze", 'one "cat"'), ("zwölf", "twelve")]
SOURCES, TARGETS = (tuple(side) for side in zip(*ROWS, strict=True))


def write(path, text, encoding="utf-8"):
    path.write_bytes(text.encode(encoding))
    return path


def lines(texts):
    return "".join(f"{text}\n" for text in texts)


def test_two_files(tmp_path):
    de, en = write(tmp_path / "a.de", lines(SOURCES)), write(tmp_path / "a.en", lines(TARGETS))
    found = read_pairs(de, en)
    assert (found.sources, found.targets) == (SOURCES, TARGETS)
    assert [file.path for file in found.files] == [de, en]
    (tmp_path / "a.de.gz").write_bytes(gzip.compress(de.read_bytes()))
    assert read_pairs(tmp_path / "a.de.gz", en).sources == SOURCES


def test_other_encodings_are_found_and_said(tmp_path):
    text = lines(["Grüße aus München", "schöne Wörter für Mäuse", "Füße größer als Bären"])
    de = write(tmp_path / "a.de", text, "cp1252")
    en = write(tmp_path / "a.en", lines(["greetings", "words", "feet"]))
    found = read_pairs(de, en)
    assert found.sources[0] == "Grüße aus München"
    assert "a guess" in found.said[0]


@pytest.mark.parametrize("ending", ["tsv", "txt", "csv", "jsonl", "parquet"])
def test_tables(tmp_path, ending):
    path, frame = tmp_path / f"a.{ending}", pl.DataFrame(ROWS, ["source", "target"], orient="row")
    if ending in ("tsv", "txt"):  # quotation marks are signs like others
        write(path, "source\ttarget\n" + lines("\t".join(row) for row in ROWS))
    elif ending == "csv":
        frame.write_csv(path)
    elif ending == "jsonl":
        frame.write_ndjson(path)
    else:
        frame.write_parquet(path)
    found = read_pairs(path)
    assert (found.sources, found.targets) == (SOURCES, TARGETS)


def test_columns_are_found_by_name_by_number_or_by_place(tmp_path):
    rows = [(k, target, source) for k, (source, target) in enumerate(ROWS)]
    frame = pl.DataFrame(rows, ["id", "target", "source"], orient="row")
    assert read_pairs(frame).sources == SOURCES
    frame = frame.rename({"target": "English", "source": "Deutsch"})
    named = read_pairs(frame, roles=PairRoles(source="deutsch", target="2"))
    assert (named.sources, named.targets) == (SOURCES, TARGETS)
    path = write(tmp_path / "a.txt", lines("\t".join((*row, "by me")) for row in ROWS))
    found = read_pairs(path)
    assert (found.sources, found.targets) == (SOURCES, TARGETS)
    assert "column 1 is translated to column 2" in found.said
    assert read_pairs(path, roles=PairRoles(source="2", target="1")).sources == TARGETS


def test_languages_name_columns(tmp_path):
    path = write(tmp_path / "a.tsv", "de\ten\n" + lines("\t".join(row) for row in ROWS))
    assert read_pairs(path).sources == SOURCES
    whole = read_pairs(path, roles=PairRoles(header=False))
    assert whole.sources == ("de", *SOURCES)


@pytest.mark.parametrize("separator", [",", "\t"])
def test_words_above_dates_name_the_columns(tmp_path, separator):
    path = tmp_path / ("dates.csv" if separator == "," else "dates.tsv")
    rows = [("written", "iso"), ("3 March 2021", "2021-03-03"), ("1. Jan 2000", "2000-01-01")]
    path.write_text("".join(separator.join(row) + "\n" for row in rows))
    assert read_pairs(path).sources == ("3 March 2021", "1. Jan 2000")
    rows[2] = ("sometime", "never")
    path.write_text("".join(separator.join(row) + "\n" for row in rows))
    assert read_pairs(path).sources[0] == "written"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("numbered.csv", 'id,english,french\n1,"Go, now.",Va !\n2,Hi.,Salut !\n'),
        ("unnamed.csv", '"Go, now.",Va !\nHi.,Salut !\n'),
        ("unnamed.txt", "Go, now.\tVa !\tby me\nHi.\tSalut !\tby you\n"),
        ("numbered.tsv", "7\tGo, now.\t12\tVa !\n8\tHi.\t13\tSalut !\n"),
        ("languages.tsv", "en\tfr\nGo, now.\tVa !\nHi.\tSalut !\n"),
        (
            "nested.jsonl",
            '{"id": 1, "domain": "x", "translation": {"en": "Go, now.", "fr": "Va !"}}\n'
            '{"id": 2, "domain": "y", "translation": {"en": "Hi.", "fr": "Salut !"}}\n',
        ),
    ],
)
def test_numbers_and_names_are_told_from_texts(tmp_path, name, text):
    found = read_pairs(write(tmp_path / name, text))
    assert found.sources == ("Go, now.", "Hi.")
    assert found.targets == ("Va !", "Salut !")


def test_columns_in_objects_are_named_by_their_paths_or_the_ends_of_them(tmp_path):
    text = '{"id": 1, "translation": {"en": "Hi.", "fr": "Salut !"}}\n'
    path = write(tmp_path / "nested.jsonl", text)
    for target in ("en", "translation.en"):
        found = read_pairs(path, roles=PairRoles(source="translation.fr", target=target))
        assert (found.sources, found.targets) == (("Salut !",), ("Hi.",))
    with pytest.raises(DataError, match=r"--source de: no such .* id, translation.en, transl"):
        read_pairs(path, roles=PairRoles(source="de"))


@pytest.mark.parametrize("name", ["n.tsv", "n.csv"])
def test_numbers_are_translated_where_nothing_else_is_there(tmp_path, name):
    sign = "\t" if name == "n.tsv" else ","
    path = write(tmp_path / name, f"12{sign}twelve men\n7{sign}seven men\n")
    assert read_pairs(path).sources == ("12", "7")
    assert read_pairs(path, roles=PairRoles(target="1")).targets == ("12", "7")


def test_lists_and_their_digest():
    found = read_pairs(ROWS)
    assert (found.sources, found.targets) == (SOURCES, TARGETS)
    assert found.files[0].digest() == read_pairs(list(ROWS)).files[0].digest()
    assert found.files[0].digest() != read_pairs(ROWS[:2]).files[0].digest()
    assert found.chosen([2, 0]).targets == ("twelve", "three dogs")


def test_pairs_without_anything_are_left_out():
    found = read_pairs([("a", "b"), (" ", ""), ("  c   d ", "e")])
    assert found.sources == ("a", "c d")
    assert found.said == ("1 empty pairs are left out",)
    half = [("a", "b"), ("c", " ")]
    assert len(read_pairs(half, roles=PairRoles(skip_empty=True))) == 1


def faulty_files(folder):
    three, two = lines(["a", "b", "c"]), lines(["x", "y"])
    whole = write(folder / "three.txt", three)
    return {
        "uneven": ((whole, write(folder / "two.txt", two)), r"has 3 lines, .*two.txt 2: line k"),
        "empty line": (
            (whole, write(folder / "gap.txt", "x\n\nz\n")),
            r"line 2: the target is empty.*--skip-empty",
        ),
        "missing": ((whole, folder / "no.txt"), r"no.txt: no such file"),
        "nothing": ((whole, write(folder / "nothing.txt", "")), r"nothing.txt: the file is empty"),
        "blank": (
            (write(folder / "b1.txt", "\n\n"), write(folder / "b2.txt", "\n\n")),
            r"has no pairs",
        ),
        "damaged UTF-8": (
            (write_bytes(folder / "bad.txt", "äöü\n".encode() * 9 + b"\xff\n"), whole),
            r"bad.txt: damaged UTF-8: byte 63 \(0xff\)",
        ),
        "binary": ((write_bytes(folder / "b.txt", b"\0\1\2" * 50), whole), r"a binary file"),
        "damaged gzip": (
            (write_bytes(folder / "a.gz", gzip.compress(b"a\nb\nc\n")[:-9]), whole),
            r"a.gz: damaged, cannot be unpacked",
        ),
        "no tab": ((whole,), r"line 1 has no tab: give two files"),
        "too few columns": (
            (write(folder / "c.tsv", "a\tb\nc\n"),),
            r"c.tsv: line 2 has 1 columns, not 2",
        ),
        "one column": ((write(folder / "c.csv", "text\na\nb\n"),), r"has one column \(column_1\)"),
        "numbers": (
            (write(folder / "n.jsonl", json.dumps({"source": "a", "target": 3}) + "\n"),),
            r"row 1: 3 is no text",
        ),
        "no JSON": ((write(folder / "j.jsonl", "{]\n"),), r"row 1 is not JSON"),
        "no list of pairs": (([("a", "b", "c")],), r"a list of pairs of texts"),
        "a folder": ((folder, whole), r"is a folder"),
    }


def write_bytes(path, content):
    path.write_bytes(content)
    return path


FAULTS = (
    *("uneven", "empty line", "missing", "nothing", "blank", "damaged UTF-8", "binary"),
    *("damaged gzip", "no tab", "too few columns", "one column", "numbers", "no JSON"),
    *("no list of pairs", "a folder"),
)


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_are_named(tmp_path, fault):
    data, message = faulty_files(tmp_path)[fault]
    with pytest.raises(DataError, match=message):
        read_pairs(*data)


def test_faulty_columns_are_named(tmp_path):
    with pytest.raises(DataError, match="--source x: no such column; the columns are source, ta"):
        read_pairs(pl.DataFrame(ROWS, ["source", "target"], orient="row"), roles=PairRoles("x"))
    with pytest.raises(DataError, match="are the same column"):
        read_pairs(pl.DataFrame(ROWS, ["a", "b"], orient="row"), roles=PairRoles("1", "1"))
    de, en = write(tmp_path / "a", lines(SOURCES)), write(tmp_path / "b", lines(TARGETS))
    with pytest.raises(DataError, match="name columns of one table"):
        read_pairs(de, en, PairRoles(source="1"))
