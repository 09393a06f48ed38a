"""`holdfast demo --site plant`: five protocols at once, simulated devices behind each, and a ledger by protocol."""
