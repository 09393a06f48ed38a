"""Composition roots: settings become a running node; supervision and drain."""
