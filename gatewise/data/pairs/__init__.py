"""Pairs of texts, for translators."""
