"""How messages are cut into windows."""
