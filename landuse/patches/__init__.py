"""From image files to batches of labelled patches."""
