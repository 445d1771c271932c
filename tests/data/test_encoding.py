import codecs
import io
import zipfile

import pytest

from gatewise.data.encoding import (
    PIECE,
    TextError,
    check_encoding,
    decode_file,
    detect_encoding,
    newlines_unified,
)

GERMAN = "Über den Fluß ging der Müller. Schöne Grüße aus Köln, die Straße war naß.\n" * 20
RUSSIAN = "Широка страна моя родная, много в ней лесов, полей и рек.\n" * 20
JAPANESE = "吾輩は猫である。名前はまだ無い。どこで生れたかとんと見当がつかぬ。\n" * 20


def write(folder, content):
    path = folder / "text.txt"
    path.write_bytes(content)
    return path


def read(path):
    encoding, guessed = detect_encoding(path)
    return "".join(decode_file(path, encoding)), guessed


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "ascii"], ids=lambda name: name
)
def test_unicode_is_known_without_a_guess(tmp_path, encoding):
    text = "plain\n" if encoding == "ascii" else GERMAN
    assert read(write(tmp_path, text.encode(encoding))) == (text, False)


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (GERMAN, "cp1252"),
        (GERMAN, "latin-1"),
        (RUSSIAN, "cp1251"),
        (RUSSIAN, "koi8-r"),
        (JAPANESE, "shift_jis"),
        (JAPANESE, "euc-jp"),
        (JAPANESE, "gb18030"),
    ],
)
def test_other_encodings_are_guessed(tmp_path, text, encoding):
    assert read(write(tmp_path, text.encode(encoding))) == (text, True)


def test_one_western_byte_far_into_the_file_is_guessed_as_western(tmp_path):
    content = b"a sister\xf0city \x96 and more\n"
    path = write(tmp_path, b"word " * 60_000 + content)
    assert read(path)[0].endswith(content.decode("cp1252"))


@pytest.mark.parametrize(
    "text",
    [
        "refund of 30 € please; love the café; my parcel was delayed. ",
        "my parcel was delayed; password reset does not work; payment of 12 €. ",
    ],
)
def test_few_western_characters_in_english_are_not_taken_for_dos(tmp_path, text):
    assert read(write(tmp_path, (text * 3).encode("cp1252"))) == (text * 3, True)


@pytest.mark.parametrize("encoding", ["cp437", "cp850"])
def test_german_of_dos_stays_german(tmp_path, encoding):
    assert read(write(tmp_path, (GERMAN * 3).encode(encoding))) == (GERMAN * 3, True)


def archive():
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as file:
        file.writestr("a.txt", GERMAN)
    return packed.getvalue()


@pytest.mark.parametrize(
    "content", [archive(), b"\x7fELF\x02\x01\x01\x00", b"text\0text", bytes(range(1, 32)) * 9]
)
def test_binary_files_are_refused(tmp_path, content):
    with pytest.raises(TextError, match=r"text\.txt: not a text but a binary file"):
        detect_encoding(write(tmp_path, content))


def test_damaged_utf8_is_not_guessed_to_be_something_else(tmp_path):
    content = bytearray(RUSSIAN.encode())
    content[501] = 0xFF
    with pytest.raises(TextError, match=r"damaged UTF-8: byte 501 \(0xff\)"):
        detect_encoding(write(tmp_path, bytes(content)))


def test_utf8_cut_inside_its_last_character_is_damaged(tmp_path):
    content = RUSSIAN.rstrip("\n.").encode()[:-1]
    with pytest.raises(TextError, match=f"damaged UTF-8: byte {len(content) - 1} "):
        detect_encoding(write(tmp_path, content))


@pytest.mark.parametrize("before", [0, 100, PIECE - 1, PIECE, PIECE + 1])
def test_the_first_bad_byte_is_named_wherever_pieces_end(tmp_path, before):
    path = write(tmp_path, codecs.BOM_UTF8 + b"x" * before + "é".encode() + b"\xff rest")
    with pytest.raises(TextError, match=rf"byte {before + 5} \(0xff\) cannot be read as utf-8"):
        list(decode_file(path, "utf-8"))


def test_the_offset_counts_bytes_in_wide_encodings(tmp_path):
    path = write(tmp_path, JAPANESE.encode("shift_jis") + b"\x81")
    with pytest.raises(TextError, match=f"byte {len(JAPANESE.encode('shift_jis'))} "):
        list(decode_file(path, "shift_jis"))


def test_characters_cut_by_pieces_come_whole(tmp_path):
    text = "a" + "日" * PIECE  # three bytes each: cut by every piece
    path = write(tmp_path, text.encode())
    assert "".join(decode_file(path, "utf-8")) == text


@pytest.mark.parametrize("pieces", [["a\r\nb\rc\n"], ["a\r", "\nb", "\r", "c", "\n"], ["a\r\nb\r"]])
def test_newlines_are_unified_across_pieces(pieces):
    expected = "".join(pieces).replace("\r\n", "\n").replace("\r", "\n")
    assert "".join(newlines_unified(iter(pieces))) == expected


@pytest.mark.parametrize("name", ["no-such", "base64", "", "a\0b"])
def test_names_that_are_no_encodings_are_refused(name):
    with pytest.raises(TextError, match="not a text encoding"):
        check_encoding(name)
