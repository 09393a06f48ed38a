"""What to believe from a child, exactly once."""
