"""Named events, metrics and health."""
