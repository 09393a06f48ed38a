"""Rows that a local model is unsure of go up to a bigger model; its answer comes back as a result and a label."""
