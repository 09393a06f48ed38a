"""The hot path: arrivals become committed rows, events and receipts, one micro-batch at a time."""
