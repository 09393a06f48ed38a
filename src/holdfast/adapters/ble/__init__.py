"""Bluetooth LE advertisements: of this machine's radio, or recorded."""
