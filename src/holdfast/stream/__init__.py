"""The rule engine: columns in, events out."""
