import numpy as np
import pytest

from gatewise.data.music.keys import KEYS, name_of, room, transposed


def test_keys_have_the_names_of_a_piano():
    assert [name_of(key) for key in (0, 1, 2, 3, 39, 48, 87)] == [
        *("A0", "A#0", "B0", "C1", "C4", "A4", "C8")
    ]


def test_music_moves_within_the_keyboard():
    roll = np.zeros((2, KEYS), np.uint8)
    roll[0, 3] = roll[1, 80] = 1
    assert room(roll) == (-3, 7)
    assert transposed(roll, -3)[0].argmax() == 0
    assert transposed(roll, 7)[1].argmax() == 87
    with pytest.raises(ValueError, match="from -3 to 7 for this music, not at 8"):
        transposed(roll, 8)


def test_silence_stays_where_it_is():
    assert room(np.zeros((3, KEYS), np.uint8)) == (0, 0)
