"""Classifiers: training, the model, its report."""
