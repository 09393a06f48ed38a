"""Protocols: they know how bytes travel, not what they mean."""
