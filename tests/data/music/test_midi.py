import io

import mido
import numpy as np
import pytest

from gatewise.data.music.keys import KEYS
from gatewise.data.music.midi import read_midi, write_midi
from gatewise.data.source import DataError


def midi(path, *messages, ticks=480, kind=0):
    """A file with one track of messages: type, note, velocity, ticks since the one before."""
    file = mido.MidiFile(type=kind, ticks_per_beat=ticks)
    track = mido.MidiTrack()
    for name, note, velocity, time, *channel in messages:
        where = channel[0] if channel else 0
        track.append(mido.Message(name, note=note, velocity=velocity, time=time, channel=where))
    file.tracks.append(track)
    file.save(path)
    return path


def test_notes_begin_and_end_at_the_nearest_step(tmp_path):
    path = midi(
        tmp_path / "a.mid",
        ("note_on", 60, 80, 1000),  # leading silence is left out
        ("note_on", 64, 80, 130),
        ("note_on", 60, 0, 110),  # loudness 0 is an end
        ("note_off", 64, 0, 230),
        ("note_on", 67, 80, 10),
        ("note_off", 67, 0, 1),  # too short for a step, but it sounds
    )
    roll, lost = read_midi(path, 4)
    assert lost == 0
    first = round(1000 / 120)
    held = [
        (39, range(first, round(1240 / 120))),
        (43, range(round(1130 / 120), round(1470 / 120))),
        (46, range(round(1480 / 120), round(1480 / 120) + 1)),
    ]
    expected = np.zeros((round(1480 / 120) + 1 - first, KEYS), np.uint8)
    for key, steps in held:
        expected[np.array(steps) - first, key] = 1
    assert np.array_equal(roll, expected)


def test_drums_and_notes_outside_a_piano_are_left_out(tmp_path):
    path = midi(
        tmp_path / "a.mid",
        ("note_on", 60, 80, 0),
        ("note_on", 40, 80, 0, 9),
        ("note_on", 5, 80, 0),
        ("note_off", 60, 0, 480),
    )
    roll, lost = read_midi(path, 1)
    assert lost == 1
    assert roll.sum() == 1


def test_music_comes_back_from_a_file(tmp_path):
    roll = (np.random.default_rng(0).random((40, KEYS)) < 0.05).astype(np.uint8)
    roll[0, 5] = roll[-1, 5] = 1  # silence at the edges is not kept
    for per_beat in (1, 3, 4, 7):
        (tmp_path / "a.mid").write_bytes(write_midi(roll, per_beat, 120))
        back, lost = read_midi(tmp_path / "a.mid", per_beat)
        assert lost == 0
        assert np.array_equal(back, roll)


def test_written_notes_last_as_long_as_they_are_held():
    roll = np.zeros((4, KEYS), np.uint8)
    roll[1:4, 39] = 1
    file = mido.MidiFile(file=io.BytesIO(write_midi(roll, 2, 60)))
    assert file.length == pytest.approx(2.0)  # four steps of half a second
    [begin, end] = [each for each in file.tracks[0] if each.type.startswith("note")]
    assert (begin.note, begin.type, end.type) == (60, "note_on", "note_off")
    assert end.time == 1.5 * file.ticks_per_beat


def cut_short(path):
    midi(path, ("note_on", 60, 80, 0), ("note_off", 60, 0, 480))
    path.write_bytes(path.read_bytes()[:-6])
    return path


def in_frames(path):
    content = bytearray(midi(path, ("note_on", 60, 80, 0)).read_bytes())
    content[12:14] = bytes([256 - 25, 40])  # 25 frames a second, 40 ticks each
    path.write_bytes(content)
    return path


FAULTS = {
    "no such": (lambda path: path.write_bytes(b"RIFF1234" * 9), "not a whole MIDI file"),
    "cut short": (cut_short, "not a whole MIDI file"),
    "only drums": (lambda path: midi(path, ("note_on", 40, 80, 0, 9)), "no notes of a piano"),
    "no notes": (midi, "no notes of a piano"),
    "frames": (in_frames, "frames of film"),
    "endless": (
        lambda path: midi(path, ("note_on", 60, 80, 0), ("note_off", 60, 0, 200_000 * 480)),
        "800,000 steps, more than 100,000; take fewer --steps-per-beat",
    ),
}


@pytest.mark.parametrize("name", FAULTS)
def test_what_is_no_music_is_an_error(tmp_path, name):
    make, message = FAULTS[name]
    path = tmp_path / "bad.mid"
    make(path)
    with pytest.raises(DataError, match=message) as caught:
        read_midi(path, 4)
    assert str(path) in str(caught.value)
