"""The live channel: one WebSocket a viewer, on which a node tells what changes. Work is shared between viewers."""
