"""Texts as tokens: characters, words, byte pairs, and streams of them."""
