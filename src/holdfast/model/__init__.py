"""The domain's nouns, pure."""
