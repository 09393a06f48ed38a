"""Files named by their SHA-256, fetched from the parent in ranges and kept for offline starts."""
