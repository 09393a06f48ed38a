"""The registry of a node's devices: who they are, how they are, and what they are called."""
