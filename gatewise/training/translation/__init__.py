"""Translators: training, the model, its report."""
