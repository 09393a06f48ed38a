"""Digests, keys and certificates."""
