"""Comparisons of cells: same data, same budget, several seeds."""
