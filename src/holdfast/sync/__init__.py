"""For applications: data that is edited offline on several nodes and becomes the same everywhere.

    from holdfast.sync.document import Document

Needs a Holdfast node with `documents` and `apps` in its node.yaml; brings nothing of the node into the application.
"""
