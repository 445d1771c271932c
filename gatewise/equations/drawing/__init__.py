"""How a cell is drawn: its blocks, where they stand, the wires between them, the picture."""
