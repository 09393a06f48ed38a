"""A tree of nodes in one process, on virtual time, with every fault that a seed can think of."""
