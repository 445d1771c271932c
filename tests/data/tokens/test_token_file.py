import numpy as np
import pytest

from gatewise.data.tokens.token_file import TokenFile, write_tokens


@pytest.mark.parametrize(
    ("vocabulary", "dtype"),
    [(1, "uint8"), (256, "uint8"), (257, "uint16"), (65_536, "uint16"), (65_537, "uint32")],
)
def test_the_smallest_type_that_fits_is_mapped_back(tmp_path, vocabulary, dtype):
    tokens = np.array([0, vocabulary - 1, 0])
    count, found = write_tokens(tmp_path / "t", [tokens, tokens[:2]], vocabulary)
    assert (count, found) == (5, dtype)
    mapped = TokenFile(tmp_path / "t", count, found, 0).tokens()
    assert isinstance(mapped, np.memmap)
    assert mapped.tolist() == [*tokens, *tokens[:2]]


def test_a_failure_leaves_nothing(tmp_path):
    def failing():
        yield np.array([1])
        raise ValueError("bad byte")

    with pytest.raises(ValueError, match="bad byte"):
        write_tokens(tmp_path / "t", failing(), 2)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_was_cut_is_found(tmp_path):
    write_tokens(tmp_path / "t", [np.arange(9)], 9)
    file = TokenFile.from_dict(TokenFile(tmp_path / "t", 9, "uint8", 9).to_dict(), tmp_path)
    assert len(file.tokens()) == 9
    (tmp_path / "t").write_bytes(b"\0" * 8)
    with pytest.raises(ValueError, match="8 bytes where 9 were written"):
        file.tokens()


def test_tokens_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr("gatewise.data.tokens.token_file.COUNTED", 3)
    count, dtype = write_tokens(tmp_path / "t", [np.array([4, 0, 4, 1, 4, 4, 1])], 6)
    assert TokenFile(tmp_path / "t", count, dtype, 7).frequencies(6).tolist() == [1, 2, 0, 0, 4, 0]
