"""Generators of sequences: training, the model, its report."""
