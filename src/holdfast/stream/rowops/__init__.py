"""Computed columns of messages, some of which remember what came before."""
