"""MIDI files as rolls, and rolls as MIDI files."""

import io
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np

from gatewise.data.music.keys import KEYS, LOWEST, Roll
from gatewise.data.source import DataError, read_unpacked

ENDINGS = (".mid", ".midi")
DRUMS = 9  # the channel whose numbers are drums, not keys
LONGEST = 100_000  # steps of one file; more is a damaged time, not music
LOUDNESS = 72  # of what is written, 1 to 127


class Note(NamedTuple):
    """A key that is held.

    Attributes:
        key: From 0, the lowest of a piano; it may lie outside.
        begin: In ticks.
        end: In ticks.
    """

    key: int
    begin: int
    end: int


def read_midi(path: Path, steps_per_beat: int) -> tuple[Roll, int]:
    """Read a MIDI file: all channels together, without the drums.

    Beats are quarter notes; every note begins and ends at the nearest step, and sounds in one at
    least.

    Args:
        path: The file.
        steps_per_beat: How finely time is cut.

    Returns:
        The music, from its first note to its last, and how many notes were left out because a piano
        lacks them.

    Raises:
        DataError: It is no MIDI file, has no beats, or no notes.
    """
    import mido

    try:
        file = mido.MidiFile(file=io.BytesIO(read_unpacked(path)))
    except DataError:
        raise
    except Exception as error:  # the reader fails in many ways on what is no such file
        raise DataError(f"{path}: not a whole MIDI file ({error or 'it ends early'})") from error
    if file.ticks_per_beat <= 0:
        raise DataError(f"{path}: counts time in frames of film, not in beats; it is not read")
    notes = [note for track in file.tracks for note in notes_of(track)]
    kept = [note for note in notes if 0 <= note.key < KEYS]
    if not kept:
        raise DataError(f"{path}: has no notes of a piano (drums do not count)")
    return draw_roll(kept, steps_per_beat / file.ticks_per_beat, path), len(notes) - len(kept)


def notes_of(track: list) -> Iterator[Note]:
    """Yield the notes of a track; one that is never let go ends with the track."""
    now, held = 0, dict[tuple[int, int], int]()
    for message in track:
        now += message.time
        if message.type not in ("note_on", "note_off") or message.channel == DRUMS:
            continue
        place = (message.channel, message.note)
        if place in held:  # also where the same key is struck again
            yield Note(message.note - LOWEST, held.pop(place), now)
        if message.type == "note_on" and message.velocity:
            held[place] = now
    for (_, number), begin in held.items():
        yield Note(number - LOWEST, begin, now)


def draw_roll(notes: list[Note], steps_per_tick: float, path: Path) -> Roll:
    """Return notes as a roll, from the first to the last.

    Raises:
        DataError: They reach over more steps than music does.
    """
    begins = [round(note.begin * steps_per_tick) for note in notes]
    ends = [round(note.end * steps_per_tick) for note in notes]
    first = min(begins)
    steps = max(begin + 1 for begin in begins) - first
    steps = max(steps, max(ends) - first)
    if steps > LONGEST:
        raise DataError(
            f"{path}: {steps:,} steps, more than {LONGEST:,}; take fewer --steps-per-beat"
        )
    roll = np.zeros((steps, KEYS), np.uint8)
    for note, begin, end in zip(notes, begins, ends, strict=True):
        roll[begin - first : max(end, begin + 1) - first, note.key] = 1
    return roll


def write_midi(roll: Roll, steps_per_beat: int, beats_per_minute: float = 90.0) -> bytes:
    """Return music as a MIDI file of one piano.

    A key that is held over several steps is one note.

    Args:
        roll: `(T, 88)`.
        steps_per_beat: What a step is.
        beats_per_minute: How fast it is played.
    """
    import mido

    file = mido.MidiFile(type=0)
    ticks = file.ticks_per_beat / steps_per_beat
    track = mido.MidiTrack()
    track.append(mido.MetaMessage("set_tempo", tempo=mido.bpm2tempo(beats_per_minute)))
    track.append(mido.Message("program_change", program=0))
    # A row of silence before and behind: every note has a beginning and an end.
    edges = np.diff(np.pad(roll.astype(np.int8), ((1, 1), (0, 0))), axis=0)
    last = 0
    for step, row in enumerate(edges):
        now = round(step * ticks)
        for key in [*np.flatnonzero(row < 0), *np.flatnonzero(row > 0)]:
            kind = "note_on" if row[key] > 0 else "note_off"
            number = int(key) + LOWEST
            track.append(mido.Message(kind, note=number, velocity=LOUDNESS, time=now - last))
            last = now
    file.tracks.append(track)
    held = io.BytesIO()
    file.save(file=held)
    return held.getvalue()
