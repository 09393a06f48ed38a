"""An OPC UA client: subscribes to nodes, keeps their status and source time, writes with read-back."""
