"""Models of node.yaml: features out of the stream engine into models, and their results back as readings."""
