"""Keeps traces and log lines within bounds on disk, answers about them, and hands them to a collector."""
