"""The search for settings before a training, and its report."""
