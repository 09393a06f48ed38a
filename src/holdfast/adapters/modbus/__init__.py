"""Modbus TCP, and RTU over TCP: meters, inverters, controllers.

settings → maps (files of registers) → blocks (few reads for many points) → frames (bytes) → link (a connection) →
adapter. Pure but for `link`, `writing` and `adapter`.
"""
