"""Device ends: how each protocol says what the plant models yield."""
