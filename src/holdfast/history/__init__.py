"""Answers questions about the past."""
