"""What is computed of the samples in a window."""
