"""Examples with labels, out of any kind of file, as numbers on disk."""
