"""What this node meets devices with, from node.yaml: one table of kinds, and what runs them."""
