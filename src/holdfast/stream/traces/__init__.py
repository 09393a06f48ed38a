"""Golden traces: input lines and the events expected of them, as text that people keep beside their rules."""
