"""A simulated site: a scenario's groups of devices, their faults, and the order in which all of it happens."""
