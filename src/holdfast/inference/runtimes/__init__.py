"""What runs a model's file: one module a library, behind `port.Session`."""
