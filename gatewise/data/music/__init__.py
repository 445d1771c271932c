"""Music as piano rolls, and as MIDI files."""
