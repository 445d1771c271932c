"""What a kernel computes and in which order: parts and sweeps, from a graph and its derivative."""
