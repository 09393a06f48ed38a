"""Versioned messages between nodes."""
