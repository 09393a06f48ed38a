"""Queues of applications: messages taken once, handed to consumers in order until they're acked."""
