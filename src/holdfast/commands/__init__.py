"""Commands to devices: taken once, handed down until the deadline, ended exactly once."""
