"""Loopback ports for the servers under test."""

from holdfast.sim.demo.plan import free_ports


def free_port() -> int:
    return free_ports(1)[0]
