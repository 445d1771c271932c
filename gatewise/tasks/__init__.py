"""Tasks: the model, loss, metrics and decoding for one kind of data each."""
