"""Asks devices that only speak when asked: who is asked when (pure), and the tasks that do it."""
