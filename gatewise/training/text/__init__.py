"""Language models: training, the model, its report."""
