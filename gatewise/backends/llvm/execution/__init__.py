"""Calls of compiled kernels: their memory, words, weights and threads."""
