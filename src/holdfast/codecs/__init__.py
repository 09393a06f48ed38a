"""Profiles: payload bytes become typed, unit-converted columns."""
