"""Models of music: training, the model, its report."""
