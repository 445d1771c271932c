"""Measurements against peers: each prints ratios and the share of this machine's peak."""
