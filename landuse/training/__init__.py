"""A training run: its data, optimizer, callbacks and folder."""
