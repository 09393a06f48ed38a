"""Formats: bytes from outside to objects or readings. Each module is one format; none raises anything but `Refused`."""
