"""Pretend devices, faults and scenarios."""
