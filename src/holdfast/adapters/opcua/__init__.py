"""An OPC UA client: subscribes to the nodes of node.yaml, with their status and source time, and writes with read-back."""
